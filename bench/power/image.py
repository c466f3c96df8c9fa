"""python -m bench.power.image: builds the guest, a minimal Debian 12 with what the project needs, unless it is there.

It lies under ``${XDG_CACHE_HOME:-~/.cache}/kampung-edge/powercut/KEY``, the key made of everything it consists of, and
holds none of the project itself: that goes in afresh with each run. debootstrap and chroot need root and a mirror.
"""

from __future__ import annotations

import configparser
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    *("systemd-sysv", "udev", "kmod", "linux-image-amd64", "initramfs-tools", "busybox", "e2fsprogs", "dmsetup"),
    *("python3", "python3-venv", "iproute2", "nftables", "ca-certificates", "libeatmydata1"),
)
DISK_MBYTE = 3072
# What the kernel needs before it finds its root file system; everything else is loaded from there.
BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4")
# udev finds three disks and one network card that are always the same: the agent and the boot modules do without it.
UNUSED = ("hooks/udev", "scripts/init-top/udev", "scripts/init-bottom/udev")
# Nothing here serves a machine that lives for a minute; each would cost seconds of an emulated processor.
MASKED = (
    *("systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket"),
    *("systemd-udev-trigger.service", "systemd-udev-settle.service", "systemd-hwdb-update.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer"),
    *("e2scrub_reap.service", "systemd-tmpfiles-clean.timer", "systemd-timesyncd.service", "systemd-logind.service"),
    *("getty.target", "getty-static.service", "getty@tty1.service", "serial-getty@ttyS0.service"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-user-sessions.service"),
    *("systemd-random-seed.service", "systemd-pstore.service", "systemd-journal-flush.service", "ldconfig.service"),
    *("systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "kmod-static-nodes.service"),
    *("systemd-modules-load.service", "systemd-remount-fs.service", "systemd-sysusers.service"),
    *("systemd-tmpfiles-setup.service", "systemd-tmpfiles-setup-dev.service", "systemd-sysctl.service"),
    *("modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@efi_pstore.service"),
    *("modprobe@fuse.service", "modprobe@loop.service", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount"),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount", "dev-mqueue.mount"),
    *("systemd-initctl.socket", "systemd-fsckd.socket", "nftables.service", "cryptsetup.target"),
    *("systemd-ask-password-console.path", "systemd-ask-password-wall.path"),
)
_AGENT = """[Unit]
Description=What the power cut asks of this machine
DefaultDependencies=no
[Service]
Type=exec
ExecStartPre=/bin/mount -o ro -t ext4 /dev/vdb /srv/powercut
ExecStart=/usr/bin/python3 /srv/powercut/agent.py
StandardOutput=journal+console
[Install]
WantedBy=multi-user.target
"""
_COMMAND = """#!/opt/kampung-edge/bin/python
from edge.cli import main
main()
"""


@dataclass(frozen=True, slots=True)
class Image:
    """Where one built guest lies."""

    directory: Path

    @property
    def root(self) -> Path:
        """The root file system, raw."""
        return self.directory / "root.img"

    @property
    def kernel(self) -> Path:
        """Debian's kernel."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """What it boots with."""
        return self.directory / "initrd.img"


def image() -> Image:
    """The image of this version of the recipe, built or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Image(cache / "kampung-edge" / "powercut" / key())


def key() -> str:
    """A name made of everything the image consists of."""
    parts = (SUITE, MIRROR, PACKAGES, DISK_MBYTE, BOOT_MODULES, UNUSED, MASKED, _AGENT, _COMMAND, requirements())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def requirements() -> list[str]:
    """What the project asks of PyPI."""
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    return setup["options"]["install_requires"].split()


def main() -> int:
    """Build the image when it is missing."""
    made = image()
    if made.kernel.exists():
        return 0
    if os.geteuid() != 0:
        print(f"building {made.directory} takes root (debootstrap, chroot): run script/bench powercut as root once")
        return 1
    made.directory.parent.mkdir(parents=True, exist_ok=True)
    with (made.directory.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.kernel.exists():
            build(made)
    return 0


def build(made: Image) -> None:
    """Make the root file system in a directory, then an image of it; whole or not at all."""
    print(f"building a Debian guest in {made.directory}: some minutes, 1.2 GB", flush=True)
    making = made.directory.with_suffix(".making")
    shutil.rmtree(making, ignore_errors=True)
    root = making / "root"
    root.mkdir(parents=True)
    try:
        _call("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, root, MIRROR)
        _settle(root)
        _call("chroot", root, "update-initramfs", "-u", "-k", "all")
        _install(root)
        for name, kind in (("vmlinuz", "vmlinuz-*"), ("initrd.img", "initrd.img-*")):
            (found,) = (root / "boot").glob(kind)
            shutil.copyfile(found, making / name)
        _call("mke2fs", "-q", "-t", "ext4", "-d", root, making / "root.img", f"{DISK_MBYTE}M")
        shutil.rmtree(root)
        making.rename(made.directory)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _settle(root: Path) -> None:
    for name in UNUSED:
        (root / "usr/share/initramfs-tools" / name).unlink()
    (root / "etc/hostname").write_text("balai\n")
    (root / "etc/initramfs-tools/conf.d/powercut").write_text("MODULES=list\nBUSYBOX=y\nCOMPRESS=gzip\n")
    (root / "etc/initramfs-tools/modules").write_text("\n".join(BOOT_MODULES) + "\n")
    units = root / "etc/systemd/system"
    (units / "powercut.service").write_text(_AGENT)
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    (wanted / "powercut.service").symlink_to("/etc/systemd/system/powercut.service")
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    for mount in ("srv/powercut", "var/lib/kampung-edge"):
        (root / mount).mkdir(parents=True)
    (root / "etc/kampung-edge").symlink_to("/srv/powercut/etc")


def _install(root: Path) -> None:
    """The project's dependencies for the guest's own Python; fetched by this machine's pip, which knows its mirror."""
    _call("chroot", root, "python3", "-m", "venv", "--without-pip", "/opt/kampung-edge")
    (packages,) = (root / "opt/kampung-edge/lib").glob("python3.*/site-packages")
    version = packages.parent.name.removeprefix("python")
    built = [f"--platform=manylinux_2_{glibc}_x86_64" for glibc in (36, 35, 34, 31, 28, 27, 24, 17)]
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:")
    _call(
        *pip,
        f"--python-version={version}",
        *built,
        "--platform=manylinux2014_x86_64",
        "--target",
        packages,
        *requirements(),
    )
    _call("chroot", root, "python3", "-m", "compileall", "-q", "/opt/kampung-edge/lib")
    (packages / "kampung-edge.pth").write_text("/srv/powercut/project\n")
    command = root / "opt/kampung-edge/bin/kampung-edge"
    command.write_text(_COMMAND)
    command.chmod(0o755)
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)


def _call(*command: str | Path) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment)


if __name__ == "__main__":
    os.dup2(2, 1)
    sys.exit(main())
