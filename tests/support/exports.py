"""Export files for tests: rows by heading, written as units' systems write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl

UNIT = "220200"
CASE = {
    "案件编号": "220200-C1",
    "修订号": "1",
    "报案时间": "2012-05-03 08:30:00",
    "失踪日期": "2012-05-01",
    "流出地代码": "220202",
    "途经地代码": "230100、340100",
    "流入地代码": "130502",
    "案件状态": "侦办中",
    "拐卖类型": "强迫婚姻",
    "拐骗方式": "以介绍工作为名",
    "受害人序号": "1",
    "受害人姓名": "王红英",
    "姓名拼音": "wang hongying",
    "曾用名": "阿英、小英",
    "性别": "女",
    "出生日期": "1990-02-03",
    "出生年份": "1990",
    "户籍地代码": "220202",
    "身高(cm)": "162",
    "体貌特征": "左脸伤疤；右手臂痣",
    "公民身份号码": "92022119900203793X",
    "DNA样本编号": "D100",
    "承办单位": "220200",
}
RESCUE = {
    "解救编号": "220200-R1",
    "修订号": "1",
    "登记时间": "2013-01-03 08:30:00",
    "解救日期": "2013-01-01",
    "解救地代码": "130502",
    "关联案件编号": "",
    "自称姓名": "王红英",
    "姓名拼音": "wang hongying",
    "别名": "阿英",
    "性别": "女",
    "出生日期": "",
    "推断出生年份": "1991",
    "自述籍贯代码": "220202",
    "身高(cm)": "160",
    "体貌特征": "左脸伤疤",
    "公民身份号码": "",
    "DNA样本编号": "",
    "监护人情况": "待查",
    "登记单位": "220200",
}

Row = Mapping[str, str]


def case(**changes: str) -> dict[str, str]:
    return {**CASE, **changes}


def rescue(**changes: str) -> dict[str, str]:
    return {**RESCUE, **changes}


def text(rows: Sequence[Row], end: str = "\r\n", delimiter: str = ",") -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator=end, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write(path: Path, *rows: Row, encoding: str = "gb18030", end: str = "\r\n") -> Path:
    path.write_bytes(text(rows, end).encode(encoding))
    return path


def write_xlsx(path: Path, *rows: Mapping[str, object]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    book.save(path)
    return path
