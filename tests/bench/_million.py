"""A catalogue as registration would leave it, of as many studies as wanted, made in bulk.

Rows and what follows from them come from the functions that registration uses
(`node.catalogue.written`); only the writing is other: one connection, no sync, indexes made at the end.
Names are drawn as they are given in China: a fifth of all people have three surnames. Two patients in three are written in
both scripts, the rest in one; patients come back; the newest study has the latest date.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from node.canonical import canonical_json
from node.catalogue.answers import study_answer
from node.catalogue.names import grams_of
from node.catalogue.search import InstanceRow, SeriesRow, StudyRow
from node.catalogue.sounds import sounds_of
from node.catalogue.written import derived_columns, names_of
from node.database.sqlite import SqliteDatabase
from node.names import Cause, NodeId, SeriesUID, StudyUID
from tests.kit.clock import FrozenClock

ORIGIN = NodeId("alpha")
SERIES, INSTANCES = 3, 20
"""Of each study."""
FIRST_AT, EVERY = 1_600_000_000_000_000, 160_000_000
SURNAMES = """
王wang:72 李li:71 张zhang:68 刘liu:54 陈chen:45 杨yang:31 黄huang:22 赵zhao:21 吴wu:20 周zhou:19 徐xu:16 孙sun:15 马ma:13 朱zhu:13 胡hu:12
郭guo:12 何he:12 林lin:11 高gao:10 罗luo:9 郑zheng:9 梁liang:8 谢xie:7 宋song:7 唐tang:6 许xu:6 邓deng:6 冯feng:6 韩han:6 曹cao:6 曾zeng:5 彭peng:5
萧xiao:5 蔡cai:5 潘pan:5 田tian:5 董dong:5 袁yuan:5 于yu:5 余yu:4 叶ye:4 蒋jiang:4 杜du:4 苏su:4 魏wei:4 程cheng:4 吕lv:4 丁ding:4 沈shen:3 任ren:3
姚yao:3 卢lu:3 傅fu:3 钟zhong:3 姜jiang:3 崔cui:3 谭tan:3 廖liao:3 范fan:3 汪wang:3 单shan:1 解xie:1 仇qiu:1 欧阳ouyang:1 尉迟yuchi:1 司马sima:1
"""
GIVEN = """
伟wei 芳fang 娜na 秀xiu 英ying 敏min 静jing 丽li 强qiang 磊lei 军jun 洋yang 勇yong 艳yan 杰jie 娟juan 涛tao 明ming 超chao 兰lan 霞xia 平ping 刚gang
桂gui 文wen 辉hui 建jian 国guo 华hua 红hong 玉yu 梅mei 春chun 海hai 志zhi 永yong 小xiao 东dong 晓xiao 云yun 林lin 峰feng 浩hao 宇yu 轩xuan 子zi 梓zi
涵han 欣xin 怡yi 佳jia 雨yu 思si 博bo 天tian 一yi 诗shi 梦meng 嘉jia 雪xue 凤feng 莲lian 珍zhen 福fu 德de 光guang 荣rong 胜sheng 庆qing 学xue 义yi
良liang 忠zhong 新xin 立li 家jia 振zhen 松song 龙long 飞fei 斌bin 凯kai 鹏peng 健jian 俊jun 帆fan 旭xu 宁ning 波bo 琳lin 倩qian 婷ting 颖ying 露lu 瑶yao
"""
DESCRIPTIONS = [
    f"{part} {how}"
    for part in (
        "Chest",
        "Head",
        "Abdomen",
        "Pelvis",
        "Lumbar spine",
        "Cervical spine",
        "Knee",
        "胸部",
        "头颅",
        "腹部",
    )
    for how in ("", "low dose", "with contrast", "plain", "平扫", "增强", "follow-up", "AP", "lateral")
]
MODALITIES = [("CT", 42), ("DX", 25), ("MR", 18), ("CR", 6), ("US", 5), ("MG", 3), ("XA", 1)]
CLASSES = {"CT": "2", "DX": "1.1", "MR": "4", "CR": "1", "US": "6.1", "MG": "1.2", "XA": "12.1"}


def fill(path: Path, studies: int, *, say: bool = True) -> dict[str, int]:
    """Make the database anew; give its bytes with studies and series alone, and with instances."""
    SqliteDatabase(path, FrozenClock()).close()
    began = time.monotonic()

    def told(what: str) -> None:
        if say:
            print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -600000", "temp_store = FILE"):
        connection.execute(f"PRAGMA {pragma}")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN"
        " ('study', 'series', 'online_instance')"
    ).fetchall()
    connection.execute("BEGIN")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    names = _add_studies(connection, studies)
    told(f"{studies} studies")
    for table, parts in (("gram", grams_of), ("sound", sounds_of)):
        rows = ((part, name) for name in sorted(names) for part in parts(name))
        connection.execute("CREATE TEMP TABLE made (part TEXT, name TEXT)")
        connection.executemany("INSERT INTO made VALUES (?, ?)", rows)
        connection.execute(f"INSERT INTO name_{table} SELECT part, name FROM made ORDER BY part, name")
        connection.execute("DROP TABLE made")
    told(f"grams and sounds of {len(names)} names")
    for name, sql in indexes:
        if "instance" not in name:
            connection.execute(sql)
    connection.execute("COMMIT")
    sizes = {"studies": _bytes(connection)}
    told("their indexes")
    connection.execute("BEGIN")
    _add_instances(connection)
    told("instances")
    for name, sql in indexes:
        if "instance" in name:
            connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    sizes["all"] = _bytes(connection)
    connection.close()
    told("their indexes")
    return sizes


def _bytes(connection: sqlite3.Connection) -> int:
    pages, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")
    )
    return int(pages - free) * int(connection.execute("PRAGMA page_size").fetchone()[0])


def people(chance: random.Random) -> Iterator[str]:
    """Give names of patients as they are written, without end."""
    surnames = [one.rpartition(":") for one in SURNAMES.split()]
    weights = [int(weight) for _, _, weight in surnames]
    given = GIVEN.split()
    while True:
        ((surname, _, _),) = chance.choices(surnames, weights)
        letters = chance.choices(given, k=chance.choice((1, 2, 2)))
        parts = [_split(surname), _split("".join(letters))]
        alphabetic = "^".join(latin.upper() for _, latin in parts)
        chinese = "^".join(han for han, _ in parts)
        yield chance.choices((f"{alphabetic}={chinese}", chinese.replace("^", ""), alphabetic), (66, 22, 12))[
            0
        ]


def _split(both: str) -> tuple[str, str]:
    han = "".join(letter for letter in both if letter >= "\u2e80")
    return han, "".join(letter for letter in both if letter < "\u2e80")


def study_uid(number: int) -> StudyUID:
    return StudyUID(f"1.2.840.113619.2.55.3.2831183106.732.1{number:09d}.467")


def _add_studies(connection: sqlite3.Connection, studies: int) -> set[str]:
    chance, names = random.Random(7), people(random.Random(8))
    patients = [next(names) for _ in range(max(studies * 2 // 5, 1))]
    physicians = [name for name, _ in zip(people(random.Random(9)), range(200), strict=False)]
    found: set[str] = set()
    rows: list[tuple[object, ...]] = []
    columns = [
        *(field.name for field in fields(StudyRow)),
        *derived_columns(_study(0, chance, patients, physicians)),
    ]
    marks = ", ".join("?" * (len(columns) + 1))
    into_study = f"INSERT INTO study ({', '.join(columns)}, derived) VALUES ({marks})"
    for number in range(studies):
        row = _study(number, chance, patients, physicians)
        found |= names_of(row)
        rows.append(
            (*(getattr(row, field.name) for field in fields(StudyRow)), *derived_columns(row).values(), 1)
        )
        connection.execute(
            "INSERT INTO study_answer VALUES (?, ?, ?)", (ORIGIN, row.study_uid, study_answer(row))
        )
        connection.executemany(
            "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [tuple(getattr(one, field.name) for field in fields(SeriesRow)) for one in _series(row)],
        )
        if len(rows) == 1000 or number == studies - 1:
            connection.executemany(into_study, rows)
            rows.clear()
    connection.execute(
        "INSERT INTO study_identity SELECT origin, study_uid, patient_issuer, patient_id, patient_name, birth_date, sex,"
        " first_at FROM study"
    )
    return found


def _study(number: int, chance: random.Random, patients: list[str], physicians: list[str]) -> StudyRow:
    patient = chance.randrange(len(patients))
    at = FIRST_AT + number * EVERY
    day = time.gmtime(at // 1_000_000)
    modality = chance.choices([name for name, _ in MODALITIES], [weight for _, weight in MODALITIES])[0]
    return StudyRow(
        origin=ORIGIN, study_uid=study_uid(number), patient_issuer="alpha:HIS", patient_id=f"P{patient:07d}",
        patient_name=patients[patient], sex="FM"[patient % 2], birth_date=f"{1930 + patient % 90}{1 + patient % 12:02d}15",
        age=f"{patient % 90:03d}Y", study_date=time.strftime("%Y%m%d", day), study_time=time.strftime("%H%M%S", day),
        accession_issuer="alpha:HIS", accession=f"A{number:09d}", description=chance.choice(DESCRIPTIONS),
        referring_physician=chance.choice(physicians), modalities=canonical_json([modality]), body_parts="[]",
        department="Radiology", series_count=SERIES, instance_count=INSTANCES, bytes=INSTANCES * 525_000, expected=None,
        state="complete", conflict=0, first_at=at, last_at=at + 60_000_000, completed_at=at + 120_000_000,
        cause=Cause(f"0192e4a0-{number % 65536:04x}-7000-8000-{number:012x}"), source_at=at, source_digest=f"{number:064x}",
        sop_classes=canonical_json([f"1.2.840.10008.5.1.4.1.1.{CLASSES[modality]}"]), study_id=f"CT{number % 9000}",
    )  # fmt: skip


def _series(row: StudyRow) -> list[SeriesRow]:
    return [
        SeriesRow(
            origin=row.origin, study_uid=row.study_uid, series_uid=SeriesUID(f"{row.study_uid}.{n}"),
            modality=row.modality_list[0], number=n, description="Axial 1.0 mm", body_part="CHEST", laterality="",
            instance_count=INSTANCES // SERIES + (n <= INSTANCES % SERIES), source_at=row.source_at,
            source_digest=row.source_digest,
        )
        for n in range(1, SERIES + 1)
    ]  # fmt: skip


def _add_instances(connection: sqlite3.Connection) -> None:
    columns = InstanceRow.__struct_fields__
    made = {
        "origin": "series.origin", "study_uid": "series.study_uid", "sop_uid": "series.series_uid || '.' || each.n",
        "digest": "printf('%032x%032x', each.n * 7919 + series.number, series.source_at + each.n)", "normal_digest": "''",
        "series_uid": "series.series_uid", "sop_class": "'1.2.840.10008.5.1.4.1.1.2'",
        "transfer_syntax": "'1.2.840.10008.1.2.1'", "number": "each.n", "frames": "1", "rows": "512", "columns": "512",
        "pack": "printf('0192e4a0-7000-8000-%012x', series.source_at / 1000000)", "offset": "(series.number * 10 + each.n) * 525300",
        "meta_bytes": "342", "data_offset": "(series.number * 10 + each.n) * 525300 + 900", "data_bytes": "525000",
        "state": "'chosen'", "door": "'dicom'", "received_at": "series.source_at + each.n",
    }  # fmt: skip
    connection.execute(
        "WITH RECURSIVE each (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM each WHERE n < 100)"
        f" INSERT INTO online_instance ({', '.join(columns)}) SELECT {', '.join(made[name] for name in columns)}"
        " FROM series CROSS JOIN each ON each.n <= series.instance_count"
    )
