"""Headings as they are written, and as they are read: by Python for a terminal and assistants, by the page itself."""

HEADINGS = [
    ("On [[thoughts/x|Why]] and [[y]]", "On Why and y"),
    ("[text](a(b)c.md) ![a picture](p.png) ![[z]]", "text a picture z"),
    ("**bold** *lean* ==lit== ~~gone~~ _so_", "bold lean lit gone so"),
    ("`[[code]]` and ``a ` b``", "[[code]] and a ` b"),
    ("`__init__` of snake_case_names, 2 * 3 * 4", "__init__ of snake_case_names, 2 * 3 * 4"),
    ("[[broken and [left](open", "[[broken and [left](open"),
    ("C# [1] a == b == c", "C# [1] a == b == c"),
    ("re**mark**able, **bold *and* `code*`**", "remarkable, bold and code*"),
    ("2*3*4 and x**2 + y**2", "2*3*4 and x**2 + y**2"),
    ("* not * so, **nor ** so", "* not * so, **nor ** so"),
    ("***both*** *a**b* **_all_**", "both a**b all"),
    ("\\*left\\* as $a*b*c$ is, 5 \\$", "*left* as $a*b*c$ is, 5 \\$"),
    ("https://a.example/_b_/*c*", "https://a.example/_b_/*c*"),
    ("**\U0001f426**birds*\U0001f426*", "\U0001f426birds\U0001f426"),
    ("\u6f22**\u5b57 \u306e**\u8a71", "\u6f22\u5b57 \u306e\u8a71"),
    ("", ""),
]
