"""Keys of names, their grams, and what Chinese names are typed by."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.catalogue.names import fold, grams_of, is_beginning, length_gram, name_key, pattern_grams
from node.catalogue.sounds import sounds_of, spellings_asked, typed_sound


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("", ""), ("^^=", ""), ("Wang^XiaoDong=王^小东", "=wang^xiaodong=王^小东="), ("Wang^^^", "=wang="),
        ("=王^小东", "==王^小东="), ("MÜLLER^Jörg", "=muller^jorg="), ("Mu\u0308ller", "=muller="), ("ΆΒΓ", "=αβγ="),
        ("Йод", "=иод="), ("が", "=が="), ("か\u3099", "=が="), ("A^ =B^ =C=D", "=a=b=c=d="), ("ẞ", "=ß="),
    ],
)  # fmt: skip
def test_a_key_is_a_name_without_what_two_writers_do_differently(written: str, key: str) -> None:
    assert name_key(written) == key


@settings(deadline=None)
@given(st.text(max_size=30))
def test_a_key_is_its_own_key_however_it_is_composed(written: str) -> None:
    folded = fold(written)
    assert fold(folded) == folded
    assert name_key(unicodedata.normalize("NFD", written)) == name_key(unicodedata.normalize("NFC", written))


@settings(deadline=None)
@given(st.text("王伟ab^=?*", max_size=12), st.text("王伟ab^=", max_size=12))
def test_what_fits_a_pattern_has_every_gram_of_it(pattern: str, filling: str) -> None:
    key = f"={pattern.replace('*', filling).replace('?', '伟')}="
    held = grams_of(key)
    for gram in pattern_grams(f"={pattern}="):
        if is_beginning(gram):
            assert any(one.startswith(gram) for one in held)
        else:
            assert gram in held or (len(gram) == 1 and gram in key)


def test_a_group_is_held_whole_and_a_pair_of_letters_never_begins_with_the_mark_between_groups() -> None:
    pairs = ["li", "i^", "^n", "na", "a=", "李^", "^娜", "娜="]
    assert grams_of("=li^na=李^娜=") == sorted(["=li^na=", "=李^娜=", "==005", "==003", *pairs])
    assert grams_of("==李=") == ["==001", "=李=", "李="]
    assert pattern_grams("=li*=李=") == ("=li", "=李=", "li", "李=")
    assert pattern_grams("*=?=*") == ("=",)
    assert (length_gram("???"), length_gram("??*")) == ("==003", "===002")
    assert {is_beginning(one) for one in ("=>x", "==003", "===002")} == {True}


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("王小明", "wangxiaoming wxm xm xiaoming wangxm ming"), ("王^小明", "wangxiaoming wxm"), ("吕^布", "lvbu lb"),
        ("Wang^XiaoMing=王^小明", "wangxiaoming wxm"), ("Li^Xiao Ming", "lixiaoming lxm"),
        ("单^雄信", "shanxiongxin sxx danxiongxin"), ("解^珍", "xiezhen xz"), ("曾^国藩", "zengguofan"), ("仇^英", "qiuying"),
        ("查^良镛", "zhaliangyong"), ("盖^聂", "genie"), ("任^盈盈", "renyingying"), ("区^志航", "ouzhihang"), ("朴^志", "piaozhi"),
        ("尉迟^恭", "yuchigong ycg"), ("万俟^卨", "moqi"), ("欧阳^修", "ouyangxiu oyx"), ("王^重阳", "wangchongyang wangzhongyang"),
    ],
)  # fmt: skip
def test_a_chinese_name_is_typed_in_pinyin_in_full_and_by_initials(name: str, typed: str) -> None:
    sounds = sounds_of(name_key(name))
    for word in typed.split():
        assert any(sound.startswith(word) for sound in sounds), (word, sounds)


@pytest.mark.parametrize("name", ["", "Петров^Иван", "ヤマダ^タロウ", "^^", "王" * 400, "仇" * 8, "𠮷^野家"])
def test_sounds_are_bounded_whatever_the_name(name: str) -> None:
    assert len(sounds_of(name_key(name))) <= 6 * 3 * 8
    assert all(1 < len(sound) <= 64 for sound in sounds_of(name_key(name)))


def test_what_is_typed_is_a_sound_or_none() -> None:
    assert [typed_sound(word) for word in ("Wang", "xi'an", "lü", "w", "王", "a-17", "")] == [
        "wang", "xian", "lv", "", "", "", "",
    ]  # fmt: skip
    assert spellings_asked("王^晓明")[0] == "wangxiaoming"
    assert spellings_asked("*") == []


def test_readings_are_loaded_by_the_first_chinese_name_alone() -> None:
    code = (
        "import sys; from node.catalogue.sounds import sounds_of; sounds_of('=wang=');"
        "a = 'pypinyin' in sys.modules; sounds_of('=王小明='); print(a, 'pypinyin' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "True"]
