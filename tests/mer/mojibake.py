"""Texts that a wrong code page spoils, by the page they were written in; and good texts."""

# ruff: noqa: RUF001 (letters of other scripts are the matter here)

from __future__ import annotations

SPOILED = {
    "cp1250": (
        # Polish
        "Zażółć gęślą jaźń",
        "Dziewczyna bez zęba na przedzie",
        "Krzysztof Krawczyk – Parostatek",
        "Małomiasteczkowy",
        "Chcę ci powiedzieć coś",
        "Jesteś szalona",
        "Nie płacz Ewka",
        "Świecie nasz",
        "Ale wkoło jest wesoło",
        "Życie jest nowelą",
        "Miłość ci wszystko wybaczy",
        "Czesław Niemen",
        "Wszyscy chcą kochać",
        "Brzydka ona, brzydki ja – Bracia Figo Fagot, część druga",
        "Cień wielkiej góry",
        "Źródło",
        # Czech and Slovak
        "Jožin z bažin",
        "Holky z naší školky",
        "Když muž se ženou snídá",
        "Bílá orchidej",
        "Žlutý pes",
        "Jaromír Nohavica",
        "Těšínská",
        "Ještě jednou, Františku",
        "Dvě báby, stařičké jak svět",
        "Zatančím na tvém bříšku",
        "Ďábel a anděl",
        "Príbeh nočnej oblohy",
        "Každý deň a každú noc",
        "Ľúbim ťa",
        # Hungarian
        "Gyöngyhajú lány",
        "Hosszú az út, míg hazaérsz",
        "Ha én rózsa volnék",
        "Kőbánya blues",
        "Az első villamos",
        "Bűnös vagyok",
        "Őszi éjjel izzik a galagonya",
        "Nem tudhatom, hogy másnak e tájék mit jelent",
        "Szerelem első vérig – fűszál",
        # Croatian, Slovenian, Romanian
        "Lijepa moja, gdje si večeras",
        "Đurđevdan",
        "Moja štikla",
        "Nek te on ljubi kad ne mogu ja, čežnja",
        "Slovenija, od kod lepote tvoje – življenje",
        "Îmi place să fiu dragoste",
    ),
    "cp1251": (
        "Группа крови",
        "Звезда по имени Солнце",
        "Земфира",
        "Ленинград – Экспонат",
        "Я не хочу, чтоб ты ушёл",
        "Миллион алых роз",
        "Подмосковные вечера",
        "Кино",
        "Батарейка",
        "В лесу родилась ёлочка",
        "Океан Ельзи – Обійми",
        "Ой у лузі червона калина",
        "Моя страна, моя България",
        "Лили Иванова",
        "Ђурђевдан",
    ),
    "utf-8": (
        "Café del Mar",
        "Björk – Jóga",
        "Sigur Rós",
        "Für Elise",
        "L’été indien",
        "Motörhead",
        "Don’t Stop Me Now",
        "Señorita",
        "À la claire fontaine",
        "Garota de Ipanema – João Gilberto",
        "Zażółć gęślą jaźń",
        "Příliš žluťoučký kůň",
        "Группа крови",
        "夜に駆ける",
        "Ελλάδα",
        "Şımarık",
        "사랑",
        "Beyoncé",
        "Naïve",
        "Ænima",
    ),
    "cp1253": (
        "Μίκης Θεοδωράκης",
        "Ζορμπάς",
        "Τα παιδιά του Πειραιά",
        "Συννεφιασμένη Κυριακή",
        "Άσπρα καράβια",
        "Ο δρόμος",
        "Φραγκοσυριανή",
        "Σ’ αγαπώ γιατί είσαι ωραία",
        "Χάρις Αλεξίου",
        "Ελευθερία",
        "Όλα σε θυμίζουν",
        "Μια φορά θυμάμαι",
        "Γιώργος Νταλάρας",
        "Ένα το χελιδόνι",
    ),
    "cp1254": (
        "Şımarık",
        "Kuzu kuzu – Tarkan ve Sezen Aksu’nun şarkısı",
        "Gülümse",
        "İstanbul’da sonbahar",
        "Barış Manço",
        "Dağlar dağlar",
        "Gülpembe – Barış Manço’nun şarkısı",
        "Ağladıkça",
        "Haydi gel içelim, aşkım",
        "Sevdiğim kız",
        "Uzun ince bir yoldayım, gidiyorum gündüz gece",
        "Issız Adam – Anlamazdın",
        "Hayat bayram olsa – Şenay",
        "Sarı gelin, dağların kızı",
        "Yıldızların altında",
        "Ah bu şarkıların gözü kör olsun",
        "Mavi boncuk – Emel Sayın’ın şarkıları",
        "Nazan Öncel – Gitme kal bu şehirde",
    ),
    "koi8_r": (
        "Группа крови",
        "Звезда по имени Солнце",
        "Земфира",
        "Ленинград",
        "Миллион алых роз",
        "Подмосковные вечера",
        "Катюша",
        "Очи чёрные",
        "Батарейка",
        "В лесу родилась ёлочка",
        "Белый снег",
        "Не для меня придёт весна",
    ),
    "gbk": (
        "月亮代表我的心",
        "邓丽君",
        "周杰伦",
        "稻香",
        "朋友",
        "海阔天空",
        "后来",
        "青花瓷",
        "小幸运",
        "平凡之路",
        "我和我的祖国",
        "夜来香 (现场版)",
    ),
    "big5": (
        "月亮代表我的心",
        "鄧麗君",
        "周杰倫",
        "海闊天空",
        "後來",
        "青花瓷",
        "小幸運",
        "平凡之路",
        "夜曲",
        "愛很簡單",
        "聽媽媽的話",
        "千里之外",
    ),
    "cp932": (
        "上を向いて歩こう",
        "夜に駆ける",
        "宇多田ヒカル",
        "さくら",
        "サザンオールスターズ",
        "残酷な天使のテーゼ",
        "涙そうそう",
        "世界に一つだけの花",
        "負けないで",
        "川の流れのように",
        "ひこうき雲",
        "恋するフォーチュンクッキー",
    ),
    "cp949": (
        "강남스타일",
        "방탄소년단",
        "봄날",
        "아리랑",
        "사랑했나봐",
        "좋은 날",
        "벚꽃 엔딩",
        "거짓말",
        "소녀시대",
        "밤편지",
        "눈, 코, 입",
        "여수 밤바다",
    ),
}

CLEAN = tuple(
    text
    for line in """
        99 Red Balloons | Don’t Stop Me Now | “Heroes” | Rock ’n’ Roll | Track № 5 | A♭ minor
        Prince ☮ ♥ | *NSYNC | P!nk | deadmau5 | Ke$ha | A$AP Rocky | ¯\\_(ツ)_/¯ | (╯°□°)╯︵ ┻━┻
        ★★★★☆ | ▲▼▲▼ | † † † | ††† (Crosses) | ∆ (alt-J) | ÷ | × | + | = | ½ | ¼ Mile | Ⅱ | √2
        π | µ-Ziq | Ænima | Ø | Ø [Phase] | Sunn O))) | ¿? | ¡Viva! | 100 € | £5 | § 175
        © 1999 | Song™ | ® | Live @ 25 °C | …And Justice | Rhythm ‘n’ Blues | »Schrei« | <3
        ¥€$ | ¶ | 3³ | 5′ 10″ | ± 0 | ½ ¾
        Café del Mar | Für Elise | Motörhead | Blue Öyster Cult | Mötley Crüe | Queensrÿche
        Björk | Jóga | Sigur Rós | Ágætis byrjun | Hoppípolla | Með blóðnasir | Þú og ég | Þórr
        Ólafur Arnalds | Röyksopp | Håkan Hellström | Kent – Utan dina andetag | På tunn is
        Måneskin | Kærlighed | Mø | Rødgrød med fløde | Blåbærsyltetøy | Sæglópur | Värttinä
        Säkkijärven polkka | Yö | Älä jätä | Élan | Été | À bientôt | Ça plane pour moi
        Où es-tu ? | Noël à Paris | L’Aventurier | Œuvre | Cœur de pirate | Hélène | Être
        Île flottante | Señorita | Corazón espinado | ¿Dónde jugarán los niños? | El Niño | Maná
        Águas de março | Coração vagabundo | Não | João | Tchê tchê rê rê | Ó gente | Perché no
        Più bella cosa | È lei | Città vuota | Là ci darem | Ça va | Òran | Eòin | Gràcia | Niño
        L·lull | Rosalía – Malamente | Över älven | Größe | Straße | Süße Träume
        Grüße aus Köln | Die Ärzte | Ärger | Österreich | Übermensch | Ü | Ö | Å | Æ | Ý | Ñ
        ÉTÉ | ÜBER ALLES | MÖTLEY CRÜE | ÇA VA | DÉJÀ VU | AÉREO | MAÑANA | Déjà Vu | Naïve
        Beyoncé | Sinéad O’Connor | Zoë | Chloë | Céline Dion | Renée | Brontë | Dvořák
        Antonín Dvořák | Bartók Béla | Björn | Garðar Thór Cortes | Eivør | Týr
        Guðrið Hansdóttir | Teitur – Fløtan | Hyvää yötä | Tõnis Mägi | Õhtu | Ilus maa
        Põhjamaa | Ühtegi sõna | Jääääär | Öö | Töö | Köyhä | Llŷn | Tŷ | Gŵyl | Gwên | Dŵr
        Ça c’est l’amour | São Paulo | Três | Pão | Ação
        Zażółć gęślą jaźń | Czesław Niemen | Żółty | Jožin z bažin | Žlutý pes | Gyöngyhajú lány
        Kőbánya blues | Đurđevdan | Škoro | Îmi place | Țara | Čežnja | Ľúbim ťa
        Şımarık | Gülümse | Barış Manço | İstanbul | Dağlar dağlar | Kiraz | Aşk | Çok güzel
        Nơi này có anh | Đừng | Hà Nội mùa thu | Ngày mai | Bèo dạt mây trôi | Kūčios | Žemė
        Āvu, āvu | Dzīve | Pūt, vējiņi
        Группа крови | Я | Й | Ельза | Міць | Ђурђевдан | Ζορμπάς | Ω | Σ’ αγαπώ | 月亮代表我的心
        夜に駆ける | ヒカル | 방탄소년단 | 봄날 | עברית | שיר | حبيبي | فيروز | ไทย | हिन्दी | தமிழ்
        ქართული | Հայերեն | ﾊﾛｰ | ＡＢＣ | Молитва (Ä) | Ария – Ё | М’яч
    """.strip().splitlines()
    for text in line.strip().split(" | ")
)
"""Titles and names of many languages, signs and drawings."""
