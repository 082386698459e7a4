"""Names of languages: codes of ISO 639 and names become one code, and a code a name."""

from __future__ import annotations

import re
from typing import Final

# Code → other codes and names, in small letters.
_TABLE: Final = """
af: afr, afrikaans
am: amh, amharic
ar: ara, arabic, العربية
az: aze, azerbaijani
be: bel, belarusian
bg: bul, bulgarian, български
bn: ben, bengali, বাংলা
br: bre, breton
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
fo: fao, faroese
fr: fra, fre, french, français
ga: gle, irish, gaeilge
gd: gla, scottish gaelic
gl: glg, galician, galego
gu: guj, gujarati
he: heb, hebrew, עברית
hi: hin, hindi, हिन्दी
hr: hrv, croatian, hrvatski
ht: hat, haitian creole
hu: hun, hungarian, magyar
hy: hye, arm, armenian
id: ind, indonesian
is: isl, ice, icelandic, íslenska
it: ita, italian, italiano
ja: jpn, japanese, 日本語
jv: jav, javanese
ka: kat, geo, georgian
kk: kaz, kazakh
km: khm, khmer
kn: kan, kannada
ko: kor, korean, 한국어
ku: kur, kurdish
la: lat, latin
lb: ltz, luxembourgish
ln: lin, lingala
lt: lit, lithuanian
lv: lav, latvian
mg: mlg, malagasy
mk: mkd, mac, macedonian
ml: mal, malayalam
mn: mon, mongolian
mr: mar, marathi
ms: msa, may, malay
mt: mlt, maltese
my: mya, bur, burmese
ne: nep, nepali
nl: nld, dut, dutch, nederlands
no: nor, nob, nno, nb, nn, norwegian, norsk
oc: oci, occitan
pa: pan, punjabi, ਪੰਜਾਬੀ
pl: pol, polish, polski
pt: por, portuguese, português
ro: ron, rum, romanian, română
ru: rus, russian, русский
si: sin, sinhala
sk: slk, slo, slovak, slovenčina
sl: slv, slovenian, slovene
so: som, somali
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
uz: uzb, uzbek
vi: vie, vietnamese, tiếng việt
xh: xho, xhosa
yi: yid, yiddish
yo: yor, yoruba
zh: zho, chi, cmn, yue, chinese, mandarin, cantonese, 中文
zu: zul, zulu
zxx: instrumental, no linguistic content
"""
_LINES: Final = [line.split(": ") for line in _TABLE.strip().splitlines()]
_CODES: Final = {name.strip(): code for code, names in _LINES for name in (code, *names.split(","))}
_NAMES: Final = {
    code: next(name for name in names.split(", ") if len(name) > 3).title()
    for code, names in _LINES
}
_UNKNOWN: Final = frozenset({"und", "mul", "mis", "xxx"})
_CODE: Final = re.compile(r"[a-z]{2,3}")


def language_code(text: str) -> str:
    """Return the code of a language that a tag or a listener names.

    Parameters
    ----------
    text : str
        A code of ISO 639, with or without a country, or a name.

    Returns
    -------
    str
        The two-letter code of ISO 639-1 where the table has one. Other codes of two or three
        letters stand for themselves; "zxx" is music without words. Empty if it names none.
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


def language_name(code: str) -> str:
    """Return the English name of a language.

    Parameters
    ----------
    code : str
        As `language_code` gives it.

    Returns
    -------
    str
        Empty if the table does not have it.
    """
    return _NAMES.get(code, "")
