"""A bus of its own, and on it a systemd that answers as one likes (systemd_server.c).

    with Bus(folder) as bus: bus.serve("done"); ... bus.address ...; bus.jobs()"""
import subprocess
from case import program


class Bus:
    """A dbus-daemon, and on it a systemd of the mode one likes."""

    def __init__(self, folder):
        self.folder = folder
        with open(f"{folder}/bus.conf", "w") as file:  # no services of this host
            file.write(f"<busconfig><type>own</type><listen>unix:path={folder}/bus</listen><policy context='default'>"
                       "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/></policy></busconfig>")
        self.daemon = subprocess.Popen(["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--print-address=1"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.daemon.stdout.readline().strip()
        self.server, self.done = None, []

    def serve(self, mode):
        self.leave()
        self.server = subprocess.Popen([program("systemd_server"), self.address, f"{self.folder}/systemd.state", mode], stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "ready\n"
        return self

    def leave(self):
        if self.server:
            self.server.kill()
            out, _ = self.server.communicate()
            self.done += out.splitlines()
            self.server = None

    def jobs(self):
        """What was done, by all servers there were."""
        self.leave()
        return self.done

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()
        self.daemon.kill()
        self.daemon.wait()
