"""A driver of PostgreSQL for tests, on the client library of the server itself: no package is needed.

It speaks DB-API 2 as far as SQLAlchemy's dialect asks for it: text parameters, text results, and a
transaction that begins with the first statement. `register()` makes it known as `postgresql+libpq://`.
"""

import ctypes
import ctypes.util
from types import SimpleNamespace

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGDialect

_INTEGERS, _FLOATS, _BOOLEAN = {20, 21, 23, 26}, {700, 701}, 16
_IDLE = 0


class Error(Exception):
    """What the server refuses."""


def _library():
    lib = ctypes.CDLL(ctypes.util.find_library("pq"))
    handle, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("PQconnectdb", handle, [text]),
        ("PQstatus", ctypes.c_int, [handle]),
        ("PQerrorMessage", text, [handle]),
        ("PQexecParams", handle, [handle, text, ctypes.c_int, handle, handle, handle, handle, ctypes.c_int]),
        ("PQresultErrorMessage", text, [handle]),
        ("PQntuples", ctypes.c_int, [handle]),
        ("PQnfields", ctypes.c_int, [handle]),
        ("PQfname", text, [handle, ctypes.c_int]),
        ("PQftype", ctypes.c_uint, [handle, ctypes.c_int]),
        ("PQgetisnull", ctypes.c_int, [handle, ctypes.c_int, ctypes.c_int]),
        ("PQgetvalue", text, [handle, ctypes.c_int, ctypes.c_int]),
        ("PQcmdTuples", text, [handle]),
        ("PQtransactionStatus", ctypes.c_int, [handle]),
        ("PQclear", None, [handle]),
        ("PQfinish", None, [handle]),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def _sent(value):
    if value is None or isinstance(value, bytes):
        return value
    return (str(value).lower() if isinstance(value, bool) else str(value)).encode()


def _read(text: bytes, kind: int):
    if kind in _INTEGERS:
        return int(text)
    if kind in _FLOATS:
        return float(text)
    return text == b"t" if kind == _BOOLEAN else text.decode()


class Cursor:
    arraysize = 1

    def __init__(self, connection):
        self.connection, self.description, self.rowcount, self._rows = connection, None, -1, []

    def execute(self, statement, parameters=()):
        self.connection.begin()
        self.description, self.rowcount, self._rows = self.connection.ask(statement, parameters)

    def executemany(self, statement, rows):
        for row in rows:
            self.execute(statement, row)

    def fetchone(self):
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size=1):
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken

    def fetchall(self):
        taken, self._rows = self._rows, []
        return taken

    def close(self):
        self._rows = []


class Connection:
    def __init__(self, **arguments):
        self._lib = _library()
        self._handle = self._lib.PQconnectdb(" ".join(f"{k}={v}" for k, v in arguments.items()).encode())
        if self._lib.PQstatus(self._handle):
            raise Error(self._lib.PQerrorMessage(self._handle).decode())

    def ask(self, statement, parameters=()):
        values = (ctypes.c_char_p * max(len(parameters), 1))(*map(_sent, parameters))
        result = self._lib.PQexecParams(
            self._handle, statement.encode(), len(parameters), None, values, None, None, 0
        )
        try:
            refused = self._lib.PQresultErrorMessage(result).decode()
            if refused:
                raise Error(refused)
            return self._answer(result)
        finally:
            self._lib.PQclear(result)

    def _answer(self, result):
        lib, columns = self._lib, range(self._lib.PQnfields(result))
        kinds = [lib.PQftype(result, k) for k in columns]
        description = [(lib.PQfname(result, k).decode(), kinds[k], *[None] * 5) for k in columns]
        rows = [
            tuple(
                None if lib.PQgetisnull(result, row, k) else _read(lib.PQgetvalue(result, row, k), kinds[k])
                for k in columns
            )
            for row in range(lib.PQntuples(result))
        ]
        changed = lib.PQcmdTuples(result)
        return description or None, int(changed) if changed else -1, rows

    def begin(self):
        if self._lib.PQtransactionStatus(self._handle) == _IDLE:
            self.ask("BEGIN")

    def cursor(self):
        return Cursor(self)

    def commit(self):
        if self._lib.PQtransactionStatus(self._handle) != _IDLE:
            self.ask("COMMIT")

    def rollback(self):
        if self._lib.PQtransactionStatus(self._handle) != _IDLE:
            self.ask("ROLLBACK")

    def close(self):
        self._lib.PQfinish(self._handle)


class LibpqDialect(PGDialect):
    driver = "libpq"
    default_paramstyle = "numeric_dollar"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls):
        names = ("Warning", "InterfaceError", "DatabaseError", "OperationalError", "IntegrityError")
        kinds = dict.fromkeys((*names, "ProgrammingError", "DataError", "InternalError"), Error)
        return SimpleNamespace(
            paramstyle="numeric_dollar", Error=Error, NotSupportedError=Error, connect=Connection, **kinds
        )

    def create_connect_args(self, url):
        arguments = url.translate_connect_args(username="user", database="dbname")
        return [], {**arguments, **url.query}


def register() -> bool:
    """Make the driver known; False where the client library is not on this machine."""
    registry.register("postgresql.libpq", "libpq", "LibpqDialect")
    return ctypes.util.find_library("pq") is not None
