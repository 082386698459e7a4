"""Code pages: decodes bytes that are not UTF-8, and mends text that was decoded wrongly.

Lyrics files and old tags do not name their code page. Each candidate code page decodes the bytes.
The score of the result says how much it resembles words: frequent letters, one script in a word,
capitals at its start. Western text is the first assumption, and wins unless it looks wrong.
"""

# ruff: noqa: RUF001 (letters of other scripts are the matter here)

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from mer.lyrics.latin import has_stray_signs, is_western, latin_page

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAGES: Final = (
    *("cp1252", "cp1251", "mac_roman", "cp1250", "cp1253", "koi8_r"),
    *("gbk", "cp932", "cp949", "big5"),
)
_FEW_BYTES: Final = 4
"""Fewer bytes beyond ASCII do not prove a code page."""
_SHORT_UTF8: Final = 8
"""So few continuation bytes are valid UTF-8 by chance."""
_WRONG_BELOW: Final = 0.25
_RIGHT_FROM: Final = 0.55
_SAMPLE: Final = 4_000

_HIGH: Final = re.compile(r"[^\x00-\x7f]")
_CONTROLS: Final = re.compile(r"[\x80\x82\x84\x85\x8b\x91-\x97\x99\x9b]")
"""Punctuation of Windows-1252, read as Latin-1."""
_HIGH_RUN: Final = re.compile(r"[^\x00-\x7f]+")
_WORD: Final = re.compile(r"[^\W\d_]+|[^\x00-\x7f]")
_LATIN_COMMON: Final = frozenset("áàâäãåæçéèêëíìîïñóòôöøõúùûüßÁÀÂÄÅÆÇÉÈÊÍÎÑÓÖØÚÜõðþýÞÝÐ")
_LATIN_EAST: Final = frozenset("ąćęłńśźżĄĆĘŁŃŚŹŻčďěňřšťůžČĎĚŇŘŠŤŮŽőűŐŰşţăŞŢĂđĐľĺŕ")
_LATIN_OTHER: Final = frozenset("ÀÃÌÒÔÕÙÛËÏÊÏ")
_ONE_LETTER_WORDS: Final = frozenset("àéèíóúöåøæáýâôÀÉÍÓÚÖÅØÆÁ")
_VOWELS: Final = frozenset("aeiouyáàâäãåæéèêëíìîïóòôöøõúùûü")
_PUNCTUATION: Final = frozenset(
    "‘’“”„–—…«»¿¡°©®™•‚‹›´·\xa0№、。！？「」『』（），：；～・ー　·“”‘’…《》〈〉"
)
_APOSTROPHES: Final = frozenset("’´‘")
# Letters of Russian, from the most frequent to the rarest; then those of its neighbours.
_CYRILLIC: Final = dict(
    [(c, 1.0 - 0.7 * i / 32) for i, c in enumerate("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё")]
    + [(c, 0.7) for c in "іїєґўјљњћђџ"]
)
_CYRILLIC_VOWELS: Final = frozenset("оеаиуяыюэёіїєј")
_CYRILLIC_RARE_PAIRS: Final = re.compile(
    "^[ьъы]|[аеёиоуыэюя][ьъ]|[жшчщ][ыэюя]|[гкх][ыэюь]|й[ьъыаеиоуэюя]|ь[ьъыаоуй]|"
    "[бвгджзклмнпрстфхцчшщ]{5}|([а-яё])\\1\\1|щ[бвгджзклмпрстфхцчш]|э[аеиоуыэюя]|ф[бвгджзхцч]|"
    "[цщ][бгджзх]|ы[аыоуэюё]|ц[йъэюяшщ]|ш[зжщцъй]|ж[шщцъйфх]|х[жъщ]|[йы]э|ъ$"
)
_GREEK: Final = dict(
    [(c, 1.0 - 0.8 * i / 25) for i, c in enumerate("αοιετσνηυρπκμλςωδγχθφβξζψ")]
    + [(c, 0.85) for c in "άέήίόύώ"]
)
_GREEK_VOWELS: Final = frozenset("αοιεηυωάέήίόύώϊϋΐΰ")
# The most frequent characters, for text too short to count on.
_HANZI: Final = frozenset(
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下"
    "而过天去能对小多然于心学么之都好看起发当没成只如事把还用第样道想作种开美总从无情己面最女"
    "但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法间斯知世什两次使身者被高已亲其"
    "进此话常与活正感见明问力理尔点文几定本公特做外孩相西果走将月十实向声车全信重三机工物气每"
    "并别真打太新比才便夫再书部水像眼等体却加电主界门利海受听表德少克代员许先口由死安写性马光"
    "白或住难望教命花结乐色更拉东神记处让母父应直字场平报友关放至张认接告入笑内英军候民岁往何"
    "度山觉路带万男边风解叫任金快原吃妈变通师立象数四失满战远格士音轻目条呢病始达深完今提求清"
    "王化空业思切怎非找片罗钱紧爸歌请双吗离唱夜雨梦泪忘雪伤红蓝青春秋夏冬星云飞永恒幸福寂寞孤"
    "单独简复杂温柔眷恋拥抱吻痛哭甜蜜旅途流浪故乡朋诺言承誓愿晚晴朗阳亮谎悔遗憾曾怕谁您哪啊吧"
    "呀哦啦嘛爷奶哥姐弟妹周杰伦邓丽君陈奕迅菲刘华李林黄蔡孙燕姿五刀稻香龙卷七瓷這個們來時為說"
    "國還樣開無從學長門見問關愛聽讓記難樂東馬電車書話給過對會後裡沒麼當發經點機實義氣親風飛雲"
    "淚夢離雙紅藍綠黃語私僕俺彼桜涙町街昨希遠約束葉季節朝夕闇影黒赤楽強弱古南北聞帰待泣達族兄"
    "姉供校駅船鳥犬猫魚木森川火土石銀鉄糸蓮華炎戦悪魔様奇跡運未現瞬間千丸陽残酷宇宙球並串乌九"
    "二亚亞交付件伺例保修値值儲元內兩八六兰共具列删別刪刻削功务効動包区午參取另号合吉否含启啟"
    "單器囲图圍圖址型域執基報塞增変存容密寫対將導尼布帳幾序库庫式录形徑必态息態應戶户戻択择持"
    "指按换据排換擇操改效整數料斜於既显曜替服权板查标案档検標模権檔檢欄權段注泰消添滤濾烏爾版"
    "牙班番登码确確碼示禁称移稱站符签管範籤类系索組結絞維網線編线组维编缺置群联與范蘭號複視视"
    "計訊設許註証該認誤請證變设证该语误資超跳輯輸转辑输込追送选連週進選邮郵錄錯録鍵钟错键関阿"
    "限除集靜頁項須頭題類页项须题驗验體"
)
_HANGUL: Final = frozenset(
    "이다는가의에을하고지를나한어사은도로라아서기그대자리시내있니게일인요만들으면해수없너우안"
    "마보랑정야여주않러원무당울오구소날말모거전부저눈건까것같비진람려미세음물밤속바생동신상연"
    "제성길별늘꽃봄빛꿈노래춤혼왜뭐또잊못두네습데된던더운행복슬픈첫번째녀남름겨친좋싫웃었겠했"
    "할합갈올볼줄알몰살떠난돌와처럼막영히매금녕추억짓워강산달밝빨간푸른얀검불방탄년단트스블랙"
    "핑크드프르므브즈츠느후호회교계국민족장화조선박김최윤임양문석준현재희철경유태형설린월입밀"
    "력택용개필페변되터값체플삭메관짜션타중토식릿목위확템반작뷰능존록열적표버든치델새초효공콘"
    "텐류항권활각숫키파언객링증테과닙분였액실글곱렉란예디베케결코등명범포함빈티젝됨았찾클및랫"
    "출잘루웨엔업송청애집랍환렬색누앞맨허룹패련배십백틸본칸카투넘쳐"
)
_LEVEL_ONE: Final = {"gbk": (0xB0, 0xD7), "cp932": (0x88, 0x97), "big5": (0xA4, 0xC6)}
"""First and last lead byte of the frequent characters of each code page."""


def decode_unknown(data: bytes) -> tuple[str, str]:
    """Decode text of an unknown code page.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    text : str
    encoding : str
        Python's name of the code page. Both are empty if no code page fits.
    """
    try:
        text = data.decode("utf-8-sig")
        is_short = len(data) - len(text) < _SHORT_UTF8
        if not (is_short and text and _HIGH.search(text) and _score(text, "utf-8") < 0):
            return text, "utf-8"
        best, encoding = 0.2, "utf-8-sig"
    except UnicodeDecodeError:
        if page := latin_page(data):
            return data.decode(page), page
        if is_western(data):
            return data.decode("cp1252"), "cp1252"
        best, encoding = -1.0, ""
    for page in _PAGES:
        guess = _decoded(data, page)
        if guess is None:
            continue
        # Ties go to Western text, which is the most frequent.
        score = _score(guess, page) + (0.05 if page == "cp1252" else 0.0)
        if score > best:
            best, encoding = score, page
    if not encoding:
        return "", ""
    return data.decode(encoding), encoding.removesuffix("-sig")


def mend(texts: Sequence[str]) -> tuple[list[str], str]:
    """Mend texts of one origin that were decoded with a wrong code page.

    Parameters
    ----------
    texts : sequence of str
        For example title, artist and album of a file; one code page is assumed for all.

    Returns
    -------
    texts : list of str
        Those that were wrong are mended; the others are as given.
    encoding : str
        The code page found. Empty if no text was mended.
    """
    mended = [_mend_utf8(text) for text in texts]
    encoding = "utf-8" if mended != list(texts) else ""
    for place, text in enumerate(mended):
        if _CONTROLS.search(text) and (plain := _as_bytes(text)) and is_western(plain):
            mended[place] = plain.decode("cp1252")
            encoding = encoding or "cp1252"
    raw = {
        place: data
        for place, text in enumerate(mended)
        if _HIGH.search(text) and (data := _as_bytes(text)) is not None
    }
    if page := latin_page(b"\n".join(dict.fromkeys(raw.values()))):
        for place, data in raw.items():
            mended[place] = _decoded(data, page) or mended[place]
        return mended, page
    wrong = [
        place
        for place, data in raw.items()
        if _score(mended[place], "cp1252") < _WRONG_BELOW or has_stray_signs(data)
    ]
    longest = max((raw[place] for place in wrong), key=len, default=b"")
    page = _page_of(b"\n".join({raw[place]: None for place in wrong})) or _page_of(longest)
    for place in wrong if page else ():
        other = _decoded(raw[place], page)
        if other is not None and _score(other, page) > _WRONG_BELOW:
            mended[place] = other
            encoding = page
    return mended, encoding


def _page_of(data: bytes) -> str:
    """Return the code page of wrongly decoded text; empty if none is sure."""
    is_short = sum(byte > 0x7F for byte in data) < _FEW_BYTES
    # A symbol in a word proves it, too.
    if is_short and not re.search(rb"(?i)[a-z][\x80-\x9f]|[\x80-\x9f][a-z]", data):
        return ""
    scores = {
        page: _score(text, page) for page in _PAGES if (text := _decoded(data, page)) is not None
    }
    best = max(scores, key=scores.__getitem__, default="")
    return best if best and scores[best] >= _RIGHT_FROM else ""


def _mend_utf8(text: str) -> str:
    """Undo UTF-8 read as a code page of one byte a character, twice over if need be."""
    for _ in range(2):
        if not _HIGH.search(text):
            return text
        for data in (_as_bytes(text), _encoded(text, "cp1251"), _encoded(text, "mac_roman")):
            decoded = _decoded(data, "utf-8") if data else None
            is_sure = data == _as_bytes(text) or len(text) >= len(decoded or "") + 3
            if decoded and is_sure and _is_rather(decoded, text):
                break
        else:
            return text
        text = decoded
    return text


def _is_rather(decoded: str, text: str) -> bool:
    """Whether `text` is `decoded` in UTF-8 that was read as something else."""
    if len(text) >= len(decoded) + 3 and _score(decoded, "utf-8") > _score(text, "cp1252"):
        return True
    if any(mark in text for mark in "ÂÃ") and all(ord(letter) < 0x180 for letter in decoded):
        return True
    return _score(decoded, "utf-8") > max(0.3, _score(text, "cp1252"))


def _as_bytes(text: str) -> bytes | None:
    """Return the bytes that were read as Latin-1 or Windows-1252; None if they were not."""
    data = bytearray()
    for character in text:
        if ord(character) < 0x100:
            data.append(ord(character))
        elif (byte := _encoded(character, "cp1252")) is not None:
            data += byte
        else:
            return None
    return bytes(data)


def _encoded(text: str, encoding: str) -> bytes | None:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return None


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _score(text: str, page: str) -> float:
    """Return how much the part of `text` beyond ASCII resembles words, from -1 to 1."""
    points, weight = 0.0, 0
    sample = text[:_SAMPLE]
    for match in _WORD.finditer(sample):
        word = match[0]
        if word.isascii():
            continue
        if len(word) == 1 and not word.isalpha():
            beside = sample[max(0, match.start() - 1) : match.start()] + sample[match.end() :][:1]
            values = [_symbol_value(word, beside)]
        else:
            values = _word_values(word, page)
        for character, value in zip(word, values, strict=True):
            if not character.isascii():
                size = 2 if ord(character) >= 0x2E80 else 1
                points += size * value
                weight += size
    return points / weight if weight else 0.0


def _symbol_value(symbol: str, beside: str) -> float:
    if unicodedata.category(symbol) in {"Cc", "Co", "Cn", "Cs"} or symbol == "\ufffd":
        return -1.0
    if len(beside) == 2 and beside.isalpha() and not _is_wide(beside[0]):
        is_inside = symbol in _APOSTROPHES or (symbol == "·" and beside.lower() == "ll")
        return 1.05 if is_inside else -0.7
    return 0.9 if symbol in _PUNCTUATION else -0.2


def _word_values(word: str, page: str) -> list[float]:
    """Return the value of each letter of a word; those of ASCII letters do not count."""
    scripts = {_script(character) for character in word}
    if "wide" in scripts:
        return [_wide_value(character, page) for character in word]
    if len(scripts) > 1:
        return [-1.0] * len(word)
    if scripts == {"latin"}:
        return _latin_values(word)
    if scripts == {"other"}:
        return [0.5 if page == "utf-8" else -0.5] * len(word)
    values = _cyrillic_values(word) if scripts == {"cyrillic"} else _greek_values(word)
    # One letter proves little: Western text has such words, too.
    return values if len(word) > 1 else [min(0.5, value) for value in values]


def _script(character: str) -> str:
    code = ord(character)
    if code < 0x250 or 0x1E00 <= code < 0x1F00:
        return "latin"
    if 0x370 <= code < 0x400:
        return "greek"
    if 0x400 <= code < 0x530:
        return "cyrillic"
    return "wide" if _is_wide(character) else "other"


def _is_wide(character: str) -> bool:
    return ord(character) >= 0x2E80


def _breaks_case(word: str) -> bool:
    return any(a.islower() and b.isupper() for a, b in pairwise(word))


def _mixes_case(word: str) -> bool:
    return len(word) > 1 and not (word.isupper() or word[1:].islower())


def _latin_values(word: str) -> list[float]:
    runs = _HIGH_RUN.findall(word.casefold())
    is_odd = any(len(run) > 2 and len(set(run)) > 1 for run in runs)
    if is_odd or _breaks_case(word) or _has_inner_capital(word):
        return [-0.5] * len(word)
    if len(word) == 1:
        return [0.8 if word in _ONE_LETTER_WORDS else 0.2]
    weak = 0.4 if word == "".join(runs) else 1.0
    return [weak * _latin_value(word, place) for place in range(len(word))]


def _has_inner_capital(word: str) -> bool:
    """Whether a letter beyond ASCII is a capital inside a word of small letters."""
    return not word.isupper() and any(c.isupper() and not c.isascii() for c in word[1:])


def _latin_value(word: str, place: int) -> float:
    letter = word[place]
    if letter in "œŒ":
        return 1.0 if word[place + 1 : place + 2].lower() == "u" else 0.3
    if letter in "šžŠŽ":
        # As between vowels and few consonants; elsewhere it stands for a vowel of another page.
        beside = {c for c in word[max(0, place - 1) : place + 2].lower() if c in _VOWELS}
        return 1.0 if beside else 0.5
    if letter in "öûúôîì" and word[max(0, place - 1) : place].lower() in _VOWELS:
        return 0.6
    if letter in _LATIN_COMMON:
        return 1.0
    if letter in _LATIN_EAST or letter in _LATIN_OTHER:
        return 0.9
    return 0.3 if unicodedata.category(letter) != "Lo" and letter not in "ÿŸ" else -0.3


def _cyrillic_values(word: str) -> list[float]:
    lower = word.lower()
    values = [_CYRILLIC.get(character, -0.5) for character in lower]
    is_odd = len(word) > 2 and not _CYRILLIC_VOWELS & set(lower)
    if is_odd or _mixes_case(word):
        return [-0.5] * len(word)
    odd_pairs = len(_CYRILLIC_RARE_PAIRS.findall(lower))
    return [value - odd_pairs / len(word) * 2 for value in values]


def _greek_values(word: str) -> list[float]:
    lower = word.lower()
    is_odd = len(word) > 2 and not _GREEK_VOWELS & set(lower)
    # The final form of sigma is at the end alone, and the other one never.
    if is_odd or _mixes_case(word) or "ς" in word[:-1] or word.endswith("σ"):
        return [-0.5] * len(word)
    return [_GREEK.get(character, -0.3) for character in lower]


def _wide_value(character: str, page: str) -> float:
    code = ord(character)
    if not _is_wide(character):
        return 0.3 if character.isascii() else -0.5
    if 0x3040 <= code < 0x3100:
        return 0.9
    if 0xAC00 <= code < 0xD7A4:
        return 1.0 if character in _HANGUL else 0.5 if _lead(character, "euc_kr") else -0.3
    if 0x4E00 <= code < 0xA000:
        if character in _HANZI:
            return 1.0
        first, last = _LEVEL_ONE.get(page, (0, -1))
        return 0.4 if first <= _lead(character, page) <= last or page == "utf-8" else -0.1
    if 0xFF61 <= code < 0xFFA0 or 0xE000 <= code < 0xF900:
        return -0.3
    return 0.6 if 0x3000 <= code < 0x3040 or 0xFF00 <= code < 0xFFE0 else -0.1


def _lead(character: str, page: str) -> int:
    data = _encoded(character, page)
    return data[0] if data else 0
