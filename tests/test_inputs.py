"""Files to import: whole lines, whatever they are compressed with and however they are cut into blocks."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theiafs.errors import ImportFailed
from theiafs.importing.blocks import Block, Blocks
from theiafs.importing.compression import DamagedArchive, decompress
from theiafs.importing.inputs import Input

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SIZE_MAX = 1 << 20
TEXT = b"".join(b"%d: a line of a log, as others\n" % number for number in range(20_000))

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
# Nothing is known of the end of what is not compressed.
ARCHIVES = [each for each in COMPRESS if each != "plain"]


def write(directory: Path, data: bytes, name: str = "app.log") -> str:
    path = directory / name
    path.write_bytes(data)
    return str(path)


def text_of(blocks: Iterator[Block]) -> bytes:
    return b"".join(each.text for each in blocks)


def pieces_of(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Cut data into pieces, none of them empty."""
    ends = sorted({cut for cut in cuts if 0 < cut < len(data)} | {len(data)})
    starts = [0, *ends]
    return (data[start:end] for start, end in zip(starts, ends, strict=False) if start < end)


def short_lines(data: bytes, line_size_max: int) -> list[tuple[int, bytes]]:
    """Return the lines that are not too long with their numbers: what blocks are to hold."""
    lines = io.BytesIO(data).readlines()
    return [
        (number, line)
        for number, line in enumerate(lines, 1)
        if len(line.removesuffix(b"\n").removesuffix(b"\r")) <= line_size_max
    ]


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"bb", b"c" * 9, b"\0"])).map(b"".join),
    st.lists(st.integers(1, 60)),
    st.integers(1, 30),
    st.integers(1, 12),
)
def test_blocks_are_whole_lines(data: bytes, cuts: list[int], size: int, size_max: int) -> None:
    """However the bytes arrive: all lines but those that are too long, in order, with their numbers."""
    too_long: list[int] = []
    blocks = list(Blocks(pieces_of(data, cuts), size, size_max, too_long))
    found = []
    for block in blocks:
        lines = io.BytesIO(block.text).readlines()
        assert lines
        assert block is blocks[-1] or block.text.endswith(b"\n")
        found += list(enumerate(lines, block.first_line))
    expected = short_lines(data, size_max)
    assert found == expected
    numbers = {number for number, _ in expected}
    count = len(io.BytesIO(data).readlines())
    assert too_long == [number for number in range(1, count + 1) if number not in numbers]


def test_a_line_without_end_is_never_in_memory() -> None:
    """A gigabyte of it is left out, and the lines around it are there."""
    piece = b"\0" * (1 << 20)

    def pieces() -> Iterator[bytes]:
        yield b"first\n"
        for _ in range(1024):
            yield piece
        yield b"\nlast\n"

    too_long: list[int] = []
    blocks = Blocks(pieces(), 1 << 16, SIZE_MAX, too_long)
    largest = 0
    found = []
    for block in blocks:
        found.append(block)
        largest = max(largest, len(block.text))
    assert (text_of(iter(found)), found[-1].first_line, too_long) == (b"first\nlast\n", 3, [2])
    assert largest < 100


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("size", [1000, 1 << 16, 1 << 22])
def test_compressed_files(kind: str, size: int, tmp_path: Path) -> None:
    """Their name says nothing; their size and how far they were read are those on disk."""
    data = COMPRESS[kind](TEXT)
    file = Input(write(tmp_path, data), SIZE_MAX)
    assert text_of(file.blocks(size)) == TEXT
    assert (file.size, file.position, file.too_long) == (len(data), len(data), [])
    # A second time too.
    assert text_of(file.blocks(size)) == TEXT


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("padding", [0, 1, 512, 1 << 19])
def test_several_archives_in_one_file(kind: str, padding: int, tmp_path: Path) -> None:
    """With zeros between them and at the end, and empty ones."""
    parts = [TEXT[:1000], b"", TEXT[1000:300_000], TEXT[300_000:]]
    data = b"".join(COMPRESS[kind](part) + bytes(padding) for part in parts)
    assert text_of(Input(write(tmp_path, data), SIZE_MAX).blocks()) == TEXT


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["gzip", "-c"], "gzip"),
        (["xz", "-c", "-T2", "--block-size=100000"], "xz"),
        (["zstd", "-c", "-3", "--long=27"], "zstd"),
        (["bzip2", "-c"], "bzip2"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_archives_of_the_tools(command: list[str], name: str, tmp_path: Path) -> None:
    data = subprocess.run(command, input=TEXT, stdout=subprocess.PIPE, check=True).stdout
    assert data[:3] == COMPRESS[name](b"")[:3]
    assert text_of(Input(write(tmp_path, data + data), SIZE_MAX).blocks()) == TEXT + TEXT


def test_frames_that_are_to_be_skipped(tmp_path: Path) -> None:
    """pzstd begins with one, which says how large the others are."""
    frame = b"\x5a\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"size"
    data = frame + zstd.compress(TEXT) + frame
    assert text_of(Input(write(tmp_path, data), SIZE_MAX).blocks()) == TEXT


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_is_cut_short(kind: str, tmp_path: Path) -> None:
    """The whole lines of it come first, then an error that names the file."""
    data = COMPRESS[kind](os.urandom(50_000).hex().encode() + b"\n" + TEXT)
    for cut in (len(data) - 1, len(data) * 2 // 3, 20):
        name = write(tmp_path, data[:cut])
        found: list[Block] = []
        with pytest.raises(ImportFailed) as failure:
            found.extend(Input(name, SIZE_MAX).blocks(1000))
        assert str(failure.value) == (
            f"{name}: the {kind} archive is cut short; what is whole of it is imported; give a whole file for the rest"
        )
        tool = subprocess.run([kind, "-dc"], input=data[:cut], capture_output=True, check=False)
        text = text_of(iter(found))
        assert text.startswith(tool.stdout[: tool.stdout.rfind(b"\n") + 1])
        assert (TEXT.startswith(text[100_001:]), text[-1:]) in ((True, b"\n"), (True, b""))


@pytest.mark.parametrize("kind", ARCHIVES)
def test_pieces_of_an_archive_that_is_cut_short(kind: str) -> None:
    """They have the same, whatever their size, also where the cut is at the end of a block."""
    text = os.urandom(2_000).hex().encode() + TEXT * 2
    data = COMPRESS[kind](text)

    def contents(archive: bytes, size: int) -> bytes:
        found = []
        with contextlib.suppress(DamagedArchive):
            for piece in decompress(io.BytesIO(archive).read, size):
                assert 0 < len(piece) <= size
                found.append(piece)
        return b"".join(found)

    cuts = [*range(len(data) // 20, len(data), len(data) // 20), *range(len(data) - 20, len(data))]
    found = [{contents(data[:cut], size) for size in (1_000, 4_096, 1 << 20)} for cut in cuts]
    assert [len(each) for each in found] == [1] * len(cuts)
    assert all(text.startswith(each.pop()) for each in found)
    assert len(contents(data[:-1], 1 << 20)) > 1 << 15


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_is_damaged(kind: str, tmp_path: Path) -> None:
    data = bytearray(COMPRESS[kind](TEXT))
    data[len(data) // 2 :] = bytes(each ^ 0x5A for each in data[len(data) // 2 :])
    name = write(tmp_path, bytes(data))
    with pytest.raises(ImportFailed, match=rf"the {kind} archive is damaged") as failure:
        text_of(Input(name, SIZE_MAX).blocks())
    assert str(failure.value).startswith(f"{name}: ")


@pytest.mark.parametrize("kind", ARCHIVES)
def test_something_else_after_an_archive(kind: str, tmp_path: Path) -> None:
    """All of the archive is read, and then the rest is named."""
    blocks = Input(write(tmp_path, COMPRESS[kind](TEXT) + b"\0\0rest\n"), SIZE_MAX).blocks()
    found: list[Block] = []
    with pytest.raises(ImportFailed, match=f"something else after the end of the {kind} archive"):
        found.extend(blocks)
    assert text_of(iter(found)) == TEXT


@given(st.binary(max_size=100), st.sampled_from(ARCHIVES), st.integers(0, 200))
def test_no_archive_fails_otherwise(data: bytes, kind: str, place: int) -> None:
    """Whatever is damaged in it."""
    archive = bytearray(COMPRESS[kind](data))
    archive[place % len(archive)] ^= 0x41
    stream = io.BytesIO(archive)
    # Not every damage is found: zstd's frames need have no checksum.
    with contextlib.suppress(DamagedArchive):
        list(decompress(stream.read, 7))


def test_an_empty_file(tmp_path: Path) -> None:
    file = Input(write(tmp_path, b""), SIZE_MAX)
    assert (file.head(), list(file.blocks())) == (Block(b"", 1), [])


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_a_pipe(size: int) -> None:
    """It is read once; its head is not lost."""
    for data in (TEXT, gzip.compress(TEXT), b"x", b""):
        reader, writer = os.pipe()
        try:
            file = Input(f"/dev/fd/{reader}", SIZE_MAX)
        finally:
            os.close(reader)
        thread = threading.Thread(target=_write_all, args=(writer, data))
        thread.start()
        head = file.head()
        assert file.head() == head
        text = text_of(file.blocks(size))
        thread.join()
        assert text == (data if data in (b"x", b"") else TEXT)
        assert text.startswith(head.text)
        assert (file.source, file.size, file.position) == ("stdin", None, len(data))


def _write_all(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def test_a_pipe_that_is_not_wanted() -> None:
    """It is closed, so that its writer is told."""
    reader, writer = os.pipe()
    file = Input(f"/dev/fd/{reader}", SIZE_MAX)
    os.close(reader)
    file.close()
    with pytest.raises(BrokenPipeError), os.fdopen(writer, "wb", buffering=0) as pipe:
        pipe.write(b"x")


def test_standard_input(tmp_path: Path) -> None:
    """A file there has its own time and size, but is read from where it is."""
    name = write(tmp_path, b"first\nsecond\n")
    os.utime(name, ns=(1_000_000_000, 1_000_000_000))
    code = (
        "import os; from theiafs.importing.inputs import Input; os.lseek(0, 6, 0); file = Input('-', 99);"
        "print(file.head().text, [*file.blocks()], file.name, file.source, file.size, file.changed_ticks)"
    )
    with open(name, "rb") as standard_input:
        shown = subprocess.run(
            [sys.executable, "-c", code], stdin=standard_input, capture_output=True, check=True
        )
    block = "[Block(text=b'second\\n', first_line=1)]"
    assert shown.stdout.decode() == f"b'second\\n' {block} - stdin 13 10000000\n"


def test_the_head_of_a_file(tmp_path: Path) -> None:
    """Some hundred lines; the file is read from its start all the same."""
    file = Input(write(tmp_path, TEXT), SIZE_MAX)
    head = file.head()
    assert head.first_line == 1
    assert TEXT.startswith(head.text)
    assert 1000 < head.text.count(b"\n") < 20_000
    assert text_of(file.blocks()) == TEXT


def test_files_that_are_not_read_are_not_open(tmp_path: Path) -> None:
    """A thousand files of one log are no problem."""
    before = len(os.listdir("/proc/self/fd"))
    files = [Input(write(tmp_path, b"x\n", f"app.log.{number}"), SIZE_MAX) for number in range(100)]
    assert [each.head().text for each in files] == [b"x\n"] * 100
    assert len(os.listdir("/proc/self/fd")) < before + 10


def test_what_is_no_file(tmp_path: Path) -> None:
    """The message names it."""
    missing = str(tmp_path / "missing")
    with pytest.raises(ImportFailed, match=r"missing: No such file or directory$"):
        Input(missing, SIZE_MAX)
    with pytest.raises(ImportFailed, match=r": a directory; name the files in it$"):
        Input(str(tmp_path), SIZE_MAX)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """As a disk that is broken gives up in the middle."""
    # The memory of a process cannot be read at 0.
    file = Input("/proc/self/mem", SIZE_MAX)
    with pytest.raises(ImportFailed, match="/proc/self/mem: Input/output error"):
        text_of(file.blocks())


def test_when_a_file_was_changed(tmp_path: Path) -> None:
    """To the tick, and never before 1970."""
    name = write(tmp_path, b"x")
    for changed_ns, ticks in ((1_700_000_000_123_456_789, 17_000_000_001_234_567), (-5, 0)):
        os.utime(name, ns=(changed_ns, changed_ns))
        assert Input(name, SIZE_MAX).changed_ticks == ticks
