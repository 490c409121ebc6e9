"""Which files are what they say they are, as far as their first bytes can tell."""

import gzip
import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from processes.services.file_types import check_content, check_image, fits


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("[Content_Types].xml", "<Types/>")
    return content.getvalue()


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 30
JPEG = b"\xff\xd8\xff\xe1\0\x10Exif\0\0" + b"\0" * 30
EXE = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0" + b"\0" * 200
ELF = b"\x7fELF\2\1\1" + b"\0" * 60
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\n"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
CSV = "name;size\nÄpfel;3\n"


@pytest.mark.parametrize(
    ("name", "content", "accept"),
    [
        ("a.pdf", PDF, [".pdf"]),
        ("a.PDF", PDF, ["application/pdf"]),
        ("a.png", PNG, [".png", ".jpg"]),
        ("a.png", JPEG, [".png", "image/*"]),
        ("a.jpg", JPEG, [".jpg"]),
        ("a.jpeg", JPEG, [".jpeg"]),
        ("a.gif", b"GIF89a" + b"\0" * 20, [".gif"]),
        ("a.webp", b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 30, ["image/*"]),
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", [".heic"]),
        ("a.avif", b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", [".avif"]),
        ("a.tif", b"II*\0\x08\0\0\0" + b"\0" * 30, [".tif"]),
        ("a.bmp", b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28" + b"\0" * 30, ["image/*"]),
        ("a.zip", archive(), [".zip"]),
        ("a.docx", archive(), [".docx"]),
        ("a.xlsx", archive(), [".xlsx"]),
        ("a.odt", archive(), [".odt"]),
        ("a.doc", OLE, [".doc"]),
        ("a.xls", OLE, [".xls"]),
        ("a.gz", gzip.compress(b"x", mtime=0), [".gz"]),
        ("a.7z", b"7z\xbc\xaf\x27\x1c\0\4" + b"\0" * 30, [".7z"]),
        ("a.csv", CSV.encode(), [".csv"]),
        ("a.csv", CSV.encode("latin-1"), [".csv"]),
        ("a.csv", CSV.encode("utf-16"), [".csv"]),
        ("a.csv", b"\xef\xbb\xbf" + CSV.encode(), ["text/*"]),
        ("a.csv", b"MZ,BM,PK\n1,2,3\n", [".csv"]),
        ("a.csv", b"a,b\n1,2\n\x1a", [".csv"]),
        ("a.txt", b"PK stands for Peter Kay", [".txt"]),
        ("a.json", b'{"a": 1}', ["application/json"]),
        ("a.xml", b"<?xml version='1.0'?><a/>", ["application/xml"]),
        ("a.mp3", b"ID3\3\0" + b"\0" * 30, [".mp3"]),
        ("a.mp3", b"\xff\xfb\x90\x64" + b"\0" * 30, ["audio/*"]),
        ("a.unheard", b"\0\1\2\3", [".unheard"]),
        ("a.exe", EXE, [".exe"]),
        ("a.exe", EXE, []),
    ],
)
def test_what_is_what_it_says_is_taken(name: str, content: bytes, accept: list[str]) -> None:
    kinds = {"pdf": "application/pdf", "png": "image/png", "json": "application/json", "xml": "application/xml",
             "webp": "image/webp", "bmp": "image/bmp", "mp3": "audio/mpeg", "csv": "text/csv"}  # fmt: skip
    file = SimpleUploadedFile(name, content, kinds.get(name.lower().rpartition(".")[2], ""))
    assert fits(file, accept)
    assert check_content(file, accept) is None
    assert file.read() == content


@pytest.mark.parametrize(
    ("name", "content", "accept"),
    [
        ("a.pdf", EXE, [".pdf"]),
        ("a.pdf", ELF, [".pdf"]),
        ("a.pdf", b"text", [".pdf"]),
        ("a.pdf", archive(), ["application/pdf"]),
        ("a.png", JPEG, [".png"]),
        ("a.jpg", b"<html><script>", ["image/*"]),
        ("a.jpg", b"BM, I said", ["image/*"]),
        ("a.jpg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", ["image/*"]),
        ("a.docx", PDF, [".docx"]),
        ("a.csv", EXE, [".csv"]),
        ("a.csv", archive(), [".csv"]),
        ("a.csv", PDF, [".csv"]),
        ("a.csv", OLE, ["text/csv"]),
        ("a.csv", PNG, ["text/*"]),
        ("a.txt", b"a\0b", [".txt"]),
        ("a.mp3", EXE, [".mp3"]),
        ("a.mp3", ELF, ["audio/*"]),
        ("a.mp3", PNG, ["audio/*"]),
    ],
)
def test_what_is_plainly_something_else_is_refused(name: str, content: bytes, accept: list[str]) -> None:
    kinds = {"pdf": "application/pdf", "jpg": "image/jpeg", "mp3": "audio/mpeg", "csv": "text/csv"}
    file = SimpleUploadedFile(name, content, kinds.get(name.rpartition(".")[2], ""))
    assert check_content(file, accept) == f"“{name}” is not what it says it is: its content is of another type."
    assert file.read() == content


def test_only_the_beginning_is_read() -> None:
    class Long(SimpleUploadedFile):
        asked = 0

        def read(self, size: int = -1) -> bytes:
            assert 0 < size <= 10_000
            self.asked += size
            return super().read(size)

    file = Long("a.pdf", PDF + b"\0" * 1_000_000)
    assert check_content(file, [".pdf"]) is None
    assert file.asked <= 10_000


def test_a_picture_is_told_by_its_content() -> None:
    svg = b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>"
    assert check_image(SimpleUploadedFile("a.txt", PNG)) is None
    assert check_image(SimpleUploadedFile("a.svg", svg)) is None
    assert check_image(SimpleUploadedFile("a.png", svg)) == "“a.png” is not a picture."
    assert check_image(SimpleUploadedFile("a.png", PDF)) == "“a.png” is not a picture."
