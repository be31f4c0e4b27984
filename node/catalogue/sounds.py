"""How a Chinese name is typed without Chinese letters: pinyin in full, by initials, and half of each.

王小明 is found by ``wangxiaoming``, ``xiaoming``, ``wxm`` and ``wangxm``: what is kept are the sounds from each of its
syllables on, so that a beginning finds the name from any of them. A character with several
readings gives the likely ones; as a surname it has its own (单 is Shan, 解 Xie),
which stands first. No tones; ü is v, as it is typed.

For lists that people type into, and for fuzzy matching where a query asks for it;
the standard's matching never looks here.

Source: DICOM PS3.4 C.2.2.2.1.1 (fuzzy semantic matching); ISO 7098 (Hanyu Pinyin), GB/T 28039 (names).
"""

from __future__ import annotations

import os
import re
import unicodedata
from functools import lru_cache
from itertools import product

from node.catalogue.names import fold

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003fffd]")
_MOST_LETTERS = 8
"""A longer run of Chinese letters is no name: its beginning is enough."""
_MOST_READINGS, _MOST_SPELLINGS = 3, 6
"""Of one character, of one name: the rest is unlikely."""
_SAID = """
单:shan 解:xie 曾:zeng 仇:qiu 查:zha 盖:ge 任:ren 区:ou 朴:piao 缪:miao 乐:yue 翟:zhai 召:shao 覃:qin 员:yun 纪:ji 葛:ge
冼:xian 种:chong 华:hua 宁:ning 曲:qu 盛:sheng 逄:pang 瞿:qu 折:she 繁:po 车:che 那:na 隗:kui 黑:he 秘:bi 洗:xian 牟:mu
乜:nie 褚:chu 晁:chao 祭:zhai 都:du 重:chong 能:nai 过:guo 应:ying 柏:bai 谌:chen 相:xiang 费:fei 尉:wei 沈:shen 石:shi
叶:ye 余:yu 佴:nai 哈:ha 贾:jia 臧:zang 訾:zi 俞:yu 郗:xi 呙:guo 万:wan 长:chang 撒:sa 尹:yin 郇:xun 宓:mi 尧:yao 降:jiang
王:wang 吴:wu 卜:bu 于:yu 谷:gu 占:zhan 冯:feng 阿:a 厘:li 燕:yan 闫:yan 经:jing 扎:zha 蕃:po 逯:lu 戚:qi 郝:hao 凌:ling
"""
_SAID_DOUBLE = """
尉迟:yu-chi 万俟:mo-qi 长孙:zhang-sun 澹台:tan-tai 令狐:ling-hu 单于:chan-yu 鲜于:xian-yu 呼延:hu-yan 夏侯:xia-hou
诸葛:zhu-ge 东方:dong-fang 皇甫:huang-fu 公孙:gong-sun 慕容:mu-rong 司马:si-ma 司徒:si-tu 上官:shang-guan
欧阳:ou-yang 宇文:yu-wen 独孤:du-gu 南宫:nan-gong 端木:duan-mu 百里:bai-li 轩辕:xuan-yuan 赫连:he-lian 拓跋:tuo-ba
"""
_SURNAMES = dict(pair.split(":") for pair in _SAID.split())
_DOUBLE_SURNAMES = {
    letters: tuple(reading.split("-"))
    for letters, reading in (pair.split(":") for pair in _SAID_DOUBLE.split())
}


@lru_cache(maxsize=512)
def sounds_of(key: str) -> list[str]:
    """Give all that a name of this key may be typed by, each from one of its syllables on."""
    found: set[str] = set()
    for group in key.split("="):
        letters = "".join(_HAN.findall(group))[:_MOST_LETTERS]
        if letters:
            for syllables in _spellings(letters):
                found |= _from_each(syllables)
        else:
            found |= _from_each(
                [word for word in re.split(r"[^0-9a-z]+", _plain(group)) if word][:_MOST_LETTERS]
            )
    return sorted(found)


def typed_sound(word: str) -> str:
    """Give a typed word as a sound begins; the empty text if it can be none."""
    plain = word.casefold().replace("ü", "v").replace("'", "")
    return plain if len(plain) > 1 and plain.isascii() and plain.isalnum() else ""


def spellings_asked(name: str) -> list[str]:
    """Give how a name that is asked for sounds, in full; as it is typed, or spelled when it is written in Chinese."""
    letters = "".join(_HAN.findall(name))[:_MOST_LETTERS]
    if letters:
        return ["".join(syllables) for syllables in _spellings(letters)]
    word = typed_sound("".join(re.findall(r"[^\W_]+", _plain(name))))
    return [word] if word else []


def _from_each(syllables: list[str]) -> set[str]:
    """Give the sounds from each syllable on: all in full; initials; the first in full and initials of the rest."""
    found = set()
    for at in range(len(syllables)):
        rest = syllables[at:]
        initials = "".join(one[0] for one in rest)
        found |= {"".join(rest), initials, rest[0] + initials[1:]}
    return {sound for sound in found if len(sound) > 1}


def _spellings(letters: str) -> list[list[str]]:
    """Give the likeliest spellings of a name, the surname's own reading first."""
    double = _DOUBLE_SURNAMES.get(letters[:2]) if len(letters) > 2 else None
    rest = letters[2:] if double else letters[1:]
    first = [double] if double else [(one,) for one in _surname_readings(letters[0])]
    ways = [first, *([(one,) for one in _readings(letter)] for letter in rest)]
    return [
        [syllable for part in spelling for syllable in part]
        for spelling, _ in zip(product(*ways), range(_MOST_SPELLINGS), strict=False)
    ]


def _surname_readings(letter: str) -> list[str]:
    own = _SURNAMES.get(letter)
    others = _readings(letter)
    return others if own is None else [own, *(one for one in others if one != own)][:2]


@lru_cache(maxsize=4096)
def _readings(letter: str) -> list[str]:
    said = _dictionary().get(ord(letter), "")
    plain = dict.fromkeys(_plain(one) for one in said.split(","))
    return [one for one in plain if one][:_MOST_READINGS] or [letter]


def _plain(spelled: str) -> str:
    """Take tones and accents away; ü becomes v before it loses its dots."""
    apart = unicodedata.normalize("NFD", fold(re.sub("[üǖǘǚǜ]", "v", spelled)))
    return "".join(mark for mark in apart if not unicodedata.combining(mark))


@lru_cache(maxsize=1)
def _dictionary() -> dict[int, str]:
    """Load the readings of characters when the first is asked for: 13 MB that a node without such names never holds."""
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")  # its 47,000 phrases are no names, and 30 MB more
    from pypinyin.constants import PINYIN_DICT

    return PINYIN_DICT
