"""The options after -o."""

import grp
import pwd
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theiafs import config
from theiafs.cli import _OPTIONS_HELP
from theiafs.config import Settings, parse_options
from theiafs.errors import MountError

ME = pwd.getpwuid(0)


def test_defaults() -> None:
    """Without options, and with those that mount(8) adds, the settings are the defaults."""
    assert (Settings().memory_size, Settings().log_keep_size) == (256 << 20, 1 << 30)
    assert (
        parse_options("")
        == Settings()
        == parse_options(",,")
        == parse_options("defaults,rw,nofail,x-systemd.y=1")
    )


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("uid=5", "uid", 5), (f"uid={ME.pw_name}", "uid", 0), ("gid=7", "gid", 7),
        (f"gid={grp.getgrgid(0).gr_name}", "gid", 0), ("umask=077", "umask", 0o077),
        ("max_event=10", "event_size_max", 10), ("max_event=64K", "event_size_max", 65536),
        ("max_event=1G", "event_size_max", 1 << 30), ("flush=0", "flush_interval_ms", 0),
        ("flush=250", "flush_interval_ms", 250), ("log=/x/y", "log_path", "/x/y"),
        ("timeout=2.5", "timeout_s", 2.5), ("spool=/x/y", "spool_directory", "/x/y"), ("ttl=30d", "ttl_days", 30), ("strict", "is_strict", True), ("strict", "attr_timeout_s", 0),
        ("quorum=2", "quorum", "2"), ("quorum=auto", "quorum", "auto"), ("memory=1G", "memory_size", 1 << 30), ("memory=64M", "memory_size", 64 << 20),
        ("log_keep=10G", "log_keep_size", 10 << 30), ("binding=mfusepy", "binding", "mfusepy"),
        ("sync", "syncs_writes", True), ("sync,async", "syncs_writes", False),
        ("ro", "is_read_only", True), ("ro,rw", "is_read_only", False),
        ("nosuid,nodev", "fuse_options", {"nosuid", "nodev"}),
        ("allow_other", "fuse_options", {"allow_other", "default_permissions"}),
        ("umask=0,umask=22", "umask", 0o022), ("ingest_mode=0222", "ingest_mode", 0o222), ("ingest_mode=0222", "umask", 0o077),
        ("umask=027,ingest_mode=0222", "umask", 0o027), ("ingest_mode=0222,umask=027", "umask", 0o027),
        ("ingest_mode=600", "fuse_options", {"default_permissions"}),
    ],
)  # fmt: skip
def test_options(text: str, name: str, value: object) -> None:
    """Each option sets one attribute; of two, the last one counts."""
    assert getattr(parse_options(text), name) == value


@pytest.mark.parametrize(
    "text",
    [
        "nothing", "uid", "uid=", "uid=no such user", "uid=4294967295", "gid=4294967296", "gid=-1", "umask=8", "umask=7777", "max_event=0", "max_event=1T",
        "timeout=0", "timeout=soon", "spool=", "spool=/x\n", "spool=/\udcff", "ttl=30", "ttl=0d", "quorum=0", "quorum=most", "quorum=", "strict=1", "memory=", "memory=0", "memory=lots", "log_keep=-1", "binding", "binding=",
        "ingest_mode=", "ingest_mode=888", "ingest_mode=7777", "max_event=1.5M", "max_event=", "flush=-1", "flush=soon", "log", "log=", "allow_other=1", "UID=0",
    ],
)  # fmt: skip
def test_mistakes(text: str) -> None:
    """The message names the option."""
    with pytest.raises(MountError, match=text.partition("=")[0]):
        parse_options(text)


@pytest.mark.parametrize("name", sorted(config._KNOWN))
def test_every_option_says_what_it_takes(name: str) -> None:
    """A value that is missing or superfluous is one line, which names the option and what to write."""
    for text in (name, f"{name}=") if name in config._FORMS else (f"{name}=1",):
        with pytest.raises(MountError) as caught:
            parse_options(text)
        message = str(caught.value)
        assert name in message
        assert "give " in message or "write " in message
        assert len(message.splitlines()) == 1


def test_an_unknown_option_names_all_that_there_are() -> None:
    """Each of them is in the help of the command line, too."""
    with pytest.raises(MountError) as caught:
        parse_options("flosh=5")
    for name in config._KNOWN:
        assert re.search(rf"\b{name}\b", str(caught.value))
        assert re.search(rf"\b{name}\b", _OPTIONS_HELP)


def test_other_options_than_before_need_another_mount() -> None:
    """The message says so; ``mount -o remount`` is a known wish, and no typo."""
    with pytest.raises(MountError, match="unmount, and mount again"):
        parse_options("rw,remount,ro")


def test_all_options_that_mount_adds_are_accepted() -> None:
    """Those of libmount's tables that say nothing of a tree like this one."""
    text = (
        "defaults,auto,noauto,dev,suid,exec,async,dirsync,mand,nomand,iversion,noiversion,atime,diratime,nodiratime,relatime,norelatime,"
        "strictatime,nostrictatime,lazytime,nolazytime,silent,loud,symfollow,user,user=me,nouser,users,nousers,owner,noowner,group,nogroup,"
        "nofail,_netdev,comment=x,uhelper=x,helper=x,X-mount.mkdir=0755,x-systemd.automount,x-systemd.requires=a.service,x-gvfs-hide"
    )
    assert parse_options(text) == Settings()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("keys=status", ["status"]),
        ("keys=status,user", ["status", "user"]),
        ("keys=status,user,method", ["status", "user", "method"]),
        ("keys=user,x-request-id,auto,users", ["user", "x-request-id", "auto", "users"]),
        ("keys=status:ro:sync,uid", ["status", "ro", "sync", "uid"]),
        ("keys=a,b,a", ["a", "b"]),
        ("keys=a,keys=b", ["b"]),
        ("user,keys=status", ["status"]),
        ("keys=a,x-systemd.requires=b,user", ["a"]),
    ],
)
def test_keys_are_names_of_fields(text: str, keys: list[str]) -> None:
    """Also of fields that are named as an option that is ignored; with colons, as any option."""
    assert parse_options(text) == Settings(keys=tuple(keys))


@pytest.mark.parametrize("option", ["ro", "sync", "delete", "nosuid", "tz=UTC", "uid=5"])
def test_an_option_that_does_something_ends_the_keys(option: str) -> None:
    keys = ("status", "user")
    assert parse_options(f"keys=status,user,{option}") == replace(parse_options(option), keys=keys)


@given(st.lists(st.from_regex(r"[\w.@-]+", fullmatch=True), min_size=1, unique=True))
def test_the_options_say_the_keys(keys: list[str]) -> None:
    settings = Settings(keys=tuple(keys))
    assert parse_options(settings.options) == settings
