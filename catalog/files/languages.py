"""Names of languages in tags: codes of ISO 639 and names become one code."""

from __future__ import annotations

import re
from typing import Final

# Code → other codes and names, in small letters.
_TABLE: Final = """
af: afr, afrikaans
ar: ara, arabic, العربية
bg: bul, bulgarian, български
bn: ben, bengali, বাংলা
bs: bos, bosnian
ca: cat, catalan, català
cs: ces, cze, czech, čeština
cy: cym, wel, welsh, cymraeg
da: dan, danish, dansk
de: deu, ger, german, deutsch
el: ell, gre, greek, ελληνικά
en: eng, english
eo: epo, esperanto
es: spa, spanish, español, castellano
et: est, estonian, eesti
eu: eus, baq, basque, euskara
fa: fas, per, persian, farsi, فارسی
fi: fin, finnish, suomi
fr: fra, fre, french, français
ga: gle, irish, gaeilge
gl: glg, galician, galego
he: heb, hebrew, עברית
hi: hin, hindi, हिन्दी
hr: hrv, croatian, hrvatski
hu: hun, hungarian, magyar
hy: hye, arm, armenian
id: ind, indonesian
is: isl, ice, icelandic, íslenska
it: ita, italian, italiano
ja: jpn, japanese, 日本語
ka: kat, geo, georgian
ko: kor, korean, 한국어
la: lat, latin
lt: lit, lithuanian
lv: lav, latvian
mk: mkd, mac, macedonian
ms: msa, may, malay
nl: nld, dut, dutch, nederlands
no: nor, nob, nno, nb, nn, norwegian, norsk
pl: pol, polish, polski
pt: por, portuguese, português
ro: ron, rum, romanian, română
ru: rus, russian, русский
sk: slk, slo, slovak, slovenčina
sl: slv, slovenian, slovene
sq: sqi, alb, albanian
sr: srp, serbian, српски
sv: swe, swedish, svenska
sw: swa, swahili
ta: tam, tamil
te: tel, telugu
th: tha, thai, ไทย
tl: tgl, tagalog, filipino
tr: tur, turkish, türkçe
uk: ukr, ukrainian, українська
ur: urd, urdu
vi: vie, vietnamese, tiếng việt
yi: yid, yiddish
yo: yor, yoruba
zh: zho, chi, cmn, yue, chinese, mandarin, cantonese, 中文
zu: zul, zulu
zxx: instrumental, no linguistic content
"""
_LINES: Final = [line.split(": ") for line in _TABLE.strip().splitlines()]
_CODES: Final = {name.strip(): code for code, names in _LINES for name in (code, *names.split(","))}
_UNKNOWN: Final = frozenset({"und", "mul", "mis", "xxx"})
_CODE: Final = re.compile(r"[a-z]{2,3}")


def language_code(text: str) -> str:
    """Return the code of a language that a tag or a listener names; empty if it names none.

    It is the two-letter code of ISO 639-1 where the table has one. Other codes of two or three
    letters stand for themselves; "zxx" is music without words.
    """
    name = text.strip().casefold()
    # en-GB, pt_BR
    short = re.split(r"[-_]", name, maxsplit=1)[0]
    # TLAN may have several codes without anything between them.
    first = name[:3] if len(name) % 3 == 0 else name
    for word in (name, short, first):
        if word in _CODES:
            return _CODES[word]
    return short if _CODE.fullmatch(short) and short not in _UNKNOWN else ""
