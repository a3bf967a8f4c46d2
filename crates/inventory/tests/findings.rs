//! Every bad input is told with its line, and all of them at once.

use holdpoint_inventory::Format::{self, AnsibleIni, AnsibleYaml, Csv, Json, Yaml};

use crate::wrong;

/// A text, and the lines and codes of what is wrong with it.
type Case = (Format, &'static str, &'static [(usize, &'static str)]);

#[test]
fn everything_that_is_wrong_is_told_with_its_line() {
    let cases: &[Case] = &[
        (AnsibleIni, "[web\nweb-1\n", &[(1, "HP2309")]),
        (
            AnsibleIni,
            "[web]\nweb-1 prod\nweb_2! a=b\nweb-[3:1]\n",
            &[(2, "HP2309"), (3, "HP2302"), (4, "HP2306")],
        ),
        (AnsibleIni, "[web:hosts]\nweb-1\n", &[(1, "HP2309")]),
        (
            AnsibleIni,
            "[web]\na-[1:2\nb-1]\nc-[1:2:0]\nd-[a:B]\ne-[1:a]\nf-[]\n",
            &[
                (2, "HP2306"),
                (3, "HP2306"),
                (4, "HP2306"),
                (5, "HP2306"),
                (6, "HP2306"),
                (7, "HP2306"),
            ],
        ),
        (AnsibleIni, "[web]\nx owner=\"a b\n", &[(2, "HP2309")]),
        (AnsibleIni, "[a:vars]\nenv\n[a]\nx\n[b:children]\nc\n", &[(2, "HP2309"), (6, "HP2307")]),
        (AnsibleIni, "n-[0:99999999999]\n", &[(1, "HP2306")]),
        (AnsibleIni, "n-[1:99999]-[1:99999]\n", &[(1, "HP2306")]),
        (AnsibleIni, "n-[0:18446744073709551615]\n", &[(1, "HP2306")]),
        (AnsibleYaml, "- web\n", &[(1, "HP2309")]),
        (AnsibleYaml, "all:\n  host:\n    web-1:\n", &[(2, "HP2309")]),
        (
            AnsibleYaml,
            "all:\n  hosts: [web-1]\n  children:\n    web: { hosts: { w: 5 } }\n",
            &[(2, "HP2309"), (4, "HP2309")],
        ),
        (AnsibleYaml, "a: { children: { b: } }\nb: { children: { a: } }\n", &[(1, "HP2308")]),
        (AnsibleYaml, "a: {\n", &[(1, "HP2301")]),
        (AnsibleYaml, "a: 1\n---\nb: 2\n", &[(2, "HP2301")]),
        (Csv, "host,env\nweb-1,prod\n", &[(1, "HP2309")]),
        (Csv, "name;env\nweb-1;prod\n", &[(1, "HP2309")]),
        (Csv, "Name,env\nweb-1,prod\n", &[(1, "HP2309")]),
        (Csv, "name,env\nweb-1\n,x\nweb 2,x\n", &[(2, "HP2301"), (3, "HP2302"), (4, "HP2302")]),
        (Csv, "name,name\na,b\n", &[(1, "HP2303")]),
        (Csv, "name,env\nweb-1,prod\nweb-2,\"prod\nweb-3,prod\n", &[(3, "HP2301")]),
        (Csv, "\"name,env\nweb-1,prod\n", &[(1, "HP2301")]),
        (Csv, "name,env\nweb-1,\"a \"\"b\nweb-2,c\n", &[(2, "HP2301")]),
        (Csv, "name,env\n\"web-1,prod\nweb-2\",\"c\"\n", &[(2, "HP2301")]),
        (Csv, "name,groups,depends_on\na,x!,\nb,,a!\nc,,d\n", &[(2, "HP2305"), (3, "HP2302")]),
        (Csv, "name,depends_on\nb,a\nc,d\n", &[(2, "HP2310"), (3, "HP2310")]),
        (Json, "{ \"items\": {\n \"a\": ] }", &[(2, "HP2301")]),
        (Json, "{ \"items\": {}, \"more\": {} }", &[(1, "HP2309")]),
        (Json, "{}", &[(1, "HP2309")]),
        (Json, "null", &[(1, "HP2309")]),
        (Yaml, "", &[(1, "HP2309")]),
        (Yaml, "# nothing\n", &[(2, "HP2309")]),
        (Json, "[\n {}\n]", &[(2, "HP2309")]),
        (Json, "[ \"a\" ]", &[(1, "HP2309")]),
        (Yaml, "items: 5\n", &[(1, "HP2309")]),
        (Yaml, "items:\n  a:\n  a:\n", &[(3, "HP2303")]),
        (
            Yaml,
            "items:\n  a: { labels: { x: 1, x: 2 }, labels: { } }\n",
            &[(2, "HP2303"), (2, "HP2303")],
        ),
        (
            Yaml,
            "items:\n  a: { labels: { x: [1], 'y y': 2 } }\n  b: { labels: 5, groups: { a: 1 } }\n",
            &[(2, "HP2304"), (2, "HP2304"), (3, "HP2309"), (3, "HP2309")],
        ),
        (Yaml, "items:\n  a: x\n", &[(2, "HP2309")]),
        (Yaml, "items:\n  a: { depends_on: [a] }\n", &[(2, "HP2311")]),
    ];
    for (format, source, expected) in cases {
        assert_eq!(wrong(*format, source), *expected, "{source:?}");
    }
}

#[test]
fn far_too_much_is_told_and_not_read() {
    let long = "x".repeat(17 * 1024 * 1024);
    assert_eq!(wrong(Yaml, &long), [(1, "HP2301")]);
    let labels: String = (0..300).map(|n| format!("l{n}: x, ")).collect();
    assert_eq!(
        wrong(Yaml, &format!("items: {{ a: {{ labels: {{ {labels} }} }} }}")),
        [(1, "HP2312")]
    );
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(wrong(Yaml, &deep), [(1, "HP2301")]);
    assert_eq!(wrong(Json, &deep), [(1, "HP2301")]);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    assert!(!wrong(AnsibleYaml, bomb).is_empty());
}
