"""Build the book if need be, and show it in a browser until Ctrl-C.

    python book/_ext/serve.py [port]

The port is 8000, or the next that is free.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
import webbrowser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from surroundings import BUILD

FIRST = 8000
#: Ports that are tried, one after another.
TRIES = 50


class Server(ThreadingHTTPServer):
    """A server that takes no port which another program has."""

    # On Windows the option lets two programs listen at one port.
    allow_reuse_address = os.name != "nt"
    daemon_threads = True


def listen(first: int) -> Server:
    """Take a port, or the next one that is free."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(BUILD / "html"))
    for port in range(first, first + TRIES):
        try:
            server = Server(("127.0.0.1", port), handler)
        except OSError:
            print(f"Port {port} is taken.", file=sys.stderr)
        else:
            return server
    raise SystemExit(f"No port from {first} to {first + TRIES - 1} is free.")


def main() -> int:
    """Build and serve."""
    first = int(sys.argv[1]) if len(sys.argv) > 1 else FIRST
    try:
        # In a process of its own, for it leaves the settings of the user, which the browser needs.
        built = subprocess.run([sys.executable, Path(__file__).with_name("build.py")], check=False)
        if built.returncode:
            return built.returncode
        with listen(first) as server:
            address = f"http://127.0.0.1:{server.server_port}/"
            print(f"The book: {address} (Ctrl-C ends)", flush=True)
            threading.Timer(0.5, webbrowser.open, [address]).start()
            server.serve_forever()
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
