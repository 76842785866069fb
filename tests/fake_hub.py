"""The Hugging Face hub's HTTP API on loopback, as far as models need it.

Requests and answers are those of `huggingface_hub`: repositories, branches, trees,
files with revisions, and uploads by LFS. A test can make it refuse a request, or stop
in the middle of one.
"""

import base64
import hashlib
import json
import re
from urllib.parse import unquote, urlsplit

from http_servers import QuietHandler, fresh

LARGE = (".pth", ".npy", ".model", ".npz")
"""What the hub stores by LFS, as its `.gitattributes` say."""


def new_hub(token="hf_secret"):
    """Make a hub: a handler's class for `http_servers.serving`, empty."""
    empty = dict(repos={}, lfs={}, requests=[], refusals={}, stop_after={}, ranges=[])
    return fresh(Hub, token=token, **empty)


def git_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub(QuietHandler):
    """Answers requests.

    Attributes:
        token: What writing needs, and reading of private repositories.
        repos: Of each repository its branches: {name: {branch: commit}}, its commits:
            {commit: {path: content}}, and whether it is private.
        lfs: Large files by SHA-256.
        requests: (method, path, authorization) of each request.
        refusals: {(method, pattern of the path): [status, ...]} of the next answers.
        stop_after: {pattern of the path: bytes} after which the next answer stops.
        ranges: First bytes of the parts of files that were asked for.
    """

    token = ""
    repos, lfs, requests, refusals, stop_after, ranges = {}, {}, [], {}, {}, []

    @classmethod
    def add(cls, name, files, revision="main", private=False):
        """Commit files to a repository; gives the commit."""
        repo = cls.repos.setdefault(
            name, {"branches": {}, "commits": {}, "private": private}
        )
        before = repo["commits"].get(repo["branches"].get(revision), {})
        tree = before | files
        content = json.dumps([(k, git_oid(v)) for k, v in sorted(tree.items())])
        commit = hashlib.sha1(content.encode()).hexdigest()
        repo["commits"][commit] = tree
        repo["branches"][revision] = commit
        return commit

    @classmethod
    def asked(cls, method, pattern):
        """Count requests."""
        return sum(
            m == method and bool(re.search(pattern, p)) for m, p, _ in cls.requests
        )

    def serve(self):
        path = unquote(urlsplit(self.path).path)
        size = int(self.headers.get("Content-Length") or 0)
        self.requests.append((self.command, path, self.headers.get("Authorization")))
        for (method, pattern), statuses in self.refusals.items():
            if method == self.command and re.search(pattern, path) and statuses:
                self.rfile.read(size)
                return self.refuse(statuses.pop(0))
        for pattern, most in list(self.stop_after.items()):
            if self.command == "PUT" and re.search(pattern, path):
                del self.stop_after[pattern]
                self.rfile.read(most)
                self.close_connection = True
                return None
        body = self.rfile.read(size)
        for method, pattern, handle in ROUTES:
            match = re.fullmatch(pattern, path)
            if self.command in method and match:
                return handle(self, body, *match.groups())
        return self.refuse(404)

    do_GET = do_HEAD = do_POST = do_PUT = serve  # noqa: N815

    def refuse(self, status, code=None):
        headers = {"X_Error_Code": code} if code else {}
        self.answer(status, b"{}", Content_Type="application/json", **headers)

    def answer_json(self, content, status=200):
        self.answer(
            status, json.dumps(content).encode(), Content_Type="application/json"
        )

    @property
    def allowed(self):
        return self.headers.get("Authorization") == f"Bearer {self.token}"

    def tree(self, name, revision):
        """Give the commit and its files; or refuse, as the hub does."""
        repo = self.repos.get(name)
        if repo is None or (repo["private"] and not self.allowed):
            self.refuse(401 if not self.allowed else 404, "RepoNotFound")
            return None, None
        commit = repo["branches"].get(revision, revision)
        if commit not in repo["commits"]:
            self.refuse(404, "RevisionNotFound")
            return None, None
        return commit, repo["commits"][commit]

    def info(self, body, name, revision="main"):
        commit, tree = self.tree(name, revision)
        if commit:
            siblings = [{"rfilename": path} for path in tree]
            self.answer_json({"id": name, "sha": commit, "siblings": siblings})

    def list_tree(self, body, name, revision):
        commit, tree = self.tree(name, revision)
        if commit:
            entries = []
            for path, content in sorted(tree.items()):
                entry = {"type": "file", "path": path, "size": len(content)}
                entry["oid"] = git_oid(content)
                if path.endswith(LARGE):
                    oid = hashlib.sha256(content).hexdigest()
                    entry["lfs"] = {
                        "oid": oid,
                        "size": len(content),
                        "pointerSize": 130,
                    }
                entries.append(entry)
            self.answer_json(entries)

    def resolve(self, body, name, revision, path):
        commit, tree = self.tree(name, revision)
        if not commit:
            return
        if path not in tree:
            return self.refuse(404, "EntryNotFound")
        content = tree[path]
        large = path.endswith(LARGE)
        tag = hashlib.sha256(content).hexdigest() if large else git_oid(content)
        headers = {"ETag": f'"{tag}"', "X_Repo_Commit": commit}
        start, status = 0, 200
        if asked := self.headers.get("Range"):
            start, status = int(asked.removeprefix("bytes=").split("-")[0]), 206
            self.ranges.append(start)
            headers["Content_Range"] = (
                f"bytes {start}-{len(content) - 1}/{len(content)}"
            )
        rest = content[start:]
        for pattern, most in list(self.stop_after.items()):
            if self.command == "GET" and re.search(pattern, path):
                del self.stop_after[pattern]
                self.close_connection = True
                return self.answer(
                    status, rest[:most], Content_Length=len(rest), **headers
                )
        return self.answer(status, rest, **headers)

    def create(self, body):
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if not self.allowed:
            return self.refuse(401)
        url = {"url": f"http://{self.headers['Host']}/{name}"}
        if name in self.repos:
            return self.answer_json(url | {"error": "exists"}, 409)
        self.add(name, {".gitattributes": b""})
        self.repos[name]["private"] = asked.get("visibility") == "private"
        return self.answer_json(url)

    def branch(self, body, name, branch):
        if not self.allowed:
            return self.refuse(401)
        branches = self.repos[name]["branches"]
        if branch in branches:
            return self.answer_json({"error": "exists"}, 409)
        branches[branch] = branches["main"]
        return self.answer_json({})

    def validate(self, body):
        self.answer_json({"errors": [], "warnings": []})

    def preupload(self, body, name, revision):
        if not self.allowed:
            return self.refuse(401)
        commit, tree = self.tree(name, revision)
        if not commit:
            return None
        files = []
        for one in json.loads(body)["files"]:
            path = one["path"]
            large = path.endswith(LARGE)
            known = tree.get(path)
            oid = None
            if known is not None:
                oid = hashlib.sha256(known).hexdigest() if large else git_oid(known)
            mode = "lfs" if large else "regular"
            files.append(
                {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}
            )
        return self.answer_json({"files": files})

    def batch(self, body, name):
        objects = []
        for one in json.loads(body)["objects"]:
            if one["oid"] not in self.lfs:
                href = f"http://{self.headers['Host']}/lfs/{one['oid']}"
                one = one | {"actions": {"upload": {"href": href}}}
            objects.append(one)
        self.answer_json({"transfer": "basic", "objects": objects})

    def put(self, body, oid):
        if hashlib.sha256(body).hexdigest() != oid:
            return self.refuse(400)
        self.lfs[oid] = body
        return self.answer(200)

    def commit(self, body, name, revision):
        if not self.allowed:
            return self.refuse(401)
        files = {}
        for line in body.splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                files[value["path"]] = self.lfs[value["oid"]]
        made = self.add(name, files, revision)
        return self.answer_json(
            {
                "success": True,
                "commitOid": made,
                "commitUrl": f"http://{self.headers['Host']}/{name}/commit/{made}",
                "hookOutput": "",
            }
        )


NAME = r"([\w.-]+/[\w.-]+)"
READ = ("GET", "HEAD")
ROUTES = [
    (READ, rf"/api/models/{NAME}", Hub.info),
    (READ, rf"/api/models/{NAME}/revision/(.+)", Hub.info),
    (READ, rf"/api/models/{NAME}/tree/([^/]+)", Hub.list_tree),
    (READ, rf"/{NAME}/resolve/([^/]+)/(.+)", Hub.resolve),
    (("POST",), "/api/repos/create", Hub.create),
    (("POST",), "/api/validate-yaml", Hub.validate),
    (("POST",), rf"/api/models/{NAME}/branch/(.+)", Hub.branch),
    (("POST",), rf"/api/models/{NAME}/preupload/(.+)", Hub.preupload),
    (("POST",), rf"/{NAME}\.git/info/lfs/objects/batch", Hub.batch),
    (("PUT",), r"/lfs/(\w+)", Hub.put),
    (("POST",), rf"/api/models/{NAME}/commit/(.+)", Hub.commit),
]
