"""An S3 server over a folder, for checks and benchmarks."""

import contextlib
import os
import socket
import subprocess
import time


@contextlib.contextmanager
def serve(folder, scratch, program=None):
    """Serves the folders in a folder as buckets, as they are there, with AWS's settings in the environment pointing at it.

    Yields the server's process and the file of its access log.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    program = program or os.path.join(cache, "micodata", "bin", "versitygw")
    if not os.path.exists(program):
        raise SystemExit(f"no S3 server to read from: make setup-s3 installs {program}")
    sidecar, log = os.path.join(scratch, "sidecar"), os.path.join(scratch, "access.log")
    os.makedirs(sidecar)
    said = os.path.join(scratch, "server.log")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % s.getsockname()[1]
    env = {"AWS_ENDPOINT_URL": "http://" + address, "AWS_ACCESS_KEY_ID": "micodata-test", "AWS_SECRET_ACCESS_KEY": "not-a-secret",
           "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        os.environ.pop(name, None)
    os.environ.update(env, AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    # Attributes in files: not all folders for temporary files have extended ones.
    with open(said, "wb") as out:
        server = subprocess.Popen(
            [program, "--port", address, "--access", env["AWS_ACCESS_KEY_ID"], "--secret", env["AWS_SECRET_ACCESS_KEY"], "--quiet",
             "--access-log", log, "posix", "--sidecar", sidecar, folder],
            stdout=out, stderr=out)
    try:
        wait(server, address, said)
        yield server, log
    finally:
        server.terminate()
        server.wait()


def wait(server, address, said):
    """Returns once the server takes connections."""
    host, port = address.split(":")
    for _ in range(1500):
        if server.poll() is not None:
            with open(said, encoding="utf-8") as f:
                raise SystemExit("versitygw ended: " + f.read())
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.02)
    raise SystemExit("versitygw does not listen")
