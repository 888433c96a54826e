"""Between Label Studio and the agent in tests/label_studio.sh: passes every call on and writes it down, with
what was answered, a line each, in FOLDER/PROJECT.jsonl. That is how the recordings of
agent/src/label_studio/tests/recorded were made.

    label_studio_record.py PORT AGENT FOLDER

Of each call only what the agent goes by is kept: no host, no token, no secret. A call that the agent did not
answer, because it was down, is answered as a dead backend's would be and not written down."""
import http.client
import http.server
import json
import sys
import threading
import urllib.parse

PORT, AGENT, FOLDER = int(sys.argv[1]), urllib.parse.urlsplit(sys.argv[2]), sys.argv[3]
ONE_AT_A_TIME = threading.Lock()
# Of whom nothing is kept, wherever it is in a body.
HIDDEN = {"access_token": "-", "token": "-", "hostname": "http://studio", "created_by": None, "created_username": "-"}


def kept(value):
    if isinstance(value, dict):
        return {key: HIDDEN[key] if key in HIDDEN else kept(part) for key, part in value.items()}
    return [kept(part) for part in value] if isinstance(value, list) else value


class Call(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def passed(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        status, answer = 502, b"{}"
        with ONE_AT_A_TIME:
            try:
                agent = http.client.HTTPConnection(AGENT.hostname, AGENT.port, timeout=100)
                agent.request(self.command, self.path, body or None, headers)
                got = agent.getresponse()
                status, answer = got.status, got.read()
                self.note(body, status, answer)
            except OSError:
                pass
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = passed

    def note(self, body, status, answer):
        _, first, *rest = self.path.rstrip("/").split("/")
        if first != "label-studio":
            return
        project, call = rest[0], rest[-1]
        line = {
            "method": self.command, "call": call, "body": kept(json.loads(body)) if body else None,
            "status": status, "answer": json.loads(answer),
        }
        with open(f"{FOLDER}/{project}.jsonl", "a") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Call).serve_forever()
