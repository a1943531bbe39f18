#!/usr/bin/python3
"""An RTSP server by GStreamer, for a second opinion: gst_rtsp.py CLIP.mkv HEVC.mkv

Two ports stand on stdout: the first is open to all (/good, /hevc), the second to admin:secret (/good). Ends with its
standard input.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def server(files, password=None):
    """A server of these {path: (file, payloader)}; its port."""
    made = GstRtspServer.RTSPServer()
    made.set_address("127.0.0.1")
    made.set_service("0")
    for path, (file, pay) in files.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( filesrc location={file} ! matroskademux ! {pay} name=pay0 pt=96 config-interval=-1 )")
        factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        made.get_mount_points().add_factory(path, factory)
        if password:
            permissions = GstRtspServer.RTSPPermissions.new()
            permissions.add_role("user")
            for what in ("media.factory.access", "media.factory.construct"):
                permissions.add_permission_for_role("user", what, True)
            factory.set_permissions(permissions)
    if password:
        auth, known = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
        known.set_string("media.factory.role", "user")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("admin", password), known)
        made.set_auth(auth)
    made.attach(None)
    return made


def main():
    Gst.init(None)
    h264, hevc = (sys.argv[1], "rtph264pay"), (sys.argv[2], "rtph265pay")
    servers = [server({"/good": h264, "/hevc": hevc}), server({"/good": h264}, "secret")]
    print(*(s.get_bound_port() for s in servers), flush=True)
    loop = GLib.MainLoop()
    GLib.io_add_watch(0, GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
    loop.run()


if __name__ == "__main__":
    main()
