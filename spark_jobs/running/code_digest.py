"""Digest of a job's code: the modules that it imports and the data files that these read."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from spark_jobs import __version__
from spark_jobs.core.conf_files import conf_file

_PACKAGES = ("spark_jobs", "udfs")
# Folders of conf/ left out: their values reach a job as settings, which have a digest of their own,
# or do not change its rows.
_FOLDERS_OF_SETTINGS = {"base", "recipes", "spark"}


@cache
def code_digest(job: str) -> str:
    """The version and a digest of the code that the job can run.

    The digest covers the modules that the job's module imports, directly or indirectly, also inside
    functions; the data files in the folders of these modules; and the folders of `conf` that they
    name. Nothing is imported. For a job without a module of its own it covers all modules.
    """
    module = f"spark_jobs.jobs.{job.replace('-', '_')}"
    modules = reachable_modules([module] if module_source(module) is not None else all_modules())
    digest = hashlib.sha256()
    for name, content in sorted(_contents(modules)):
        digest.update(f"{name} {len(content)} ".encode() + content)
    return f"{__version__}+{digest.hexdigest()[:16]}"


def reachable_modules(modules: Iterable[str]) -> set[str]:
    """These modules and all that they import, directly or indirectly, of our packages."""
    pending, reached = [*modules], set()
    while pending:
        module = pending.pop()
        if module not in reached and module_source(module) is not None:
            reached.add(module)
            pending += [*_imports(module), *_packages_above(module)]
    return reached


@cache
def module_source(module: str) -> bytes | None:
    """The source of a module or package; None if it is not in our packages."""
    file = _file_of(module)
    return None if file is None else file.read_bytes()


def imported_names(tree: ast.Module, package: str) -> Iterator[str]:
    """The names that a module's imports could import as modules.

    `from a import b` gives a and a.b. Imports under `if __name__ == "__main__"` and
    `if TYPE_CHECKING` are left out. `package`: the base of relative imports.
    """
    for node in _nodes_run_on_import(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _nodes_run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_false_on_import(child.test):
            yield from (
                part for other in child.orelse for part in (other, *_nodes_run_on_import(other))
            )
        else:
            yield child
            yield from _nodes_run_on_import(child)


def _is_false_on_import(test: ast.expr) -> bool:
    return ast.unparse(test) in {"__name__ == '__main__'", "TYPE_CHECKING", "typing.TYPE_CHECKING"}


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(module_source(module) or b"")


@cache
def _imports(module: str) -> frozenset[str]:
    package = module if _is_package(module) else module.rpartition(".")[0]
    names = imported_names(_tree(module), package)
    return frozenset(name for name in names if name.partition(".")[0] in _PACKAGES)


def _packages_above(module: str) -> Iterator[str]:
    parts = module.split(".")
    return (".".join(parts[:n]) for n in range(1, len(parts)))


def _contents(modules: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    modules = set(modules)
    for module in modules:
        yield module, module_source(module) or b""
    for package in {m if _is_package(m) else m.rpartition(".")[0] for m in modules}:
        yield from _data_files(package, _folder_of(package))
    for name in {name for module in modules for name in _conf_folders(module)}:
        yield from _data_files(f"conf/{name}", conf_file(name))


def _data_files(name: str, folder: Traversable) -> Iterator[tuple[str, bytes]]:
    if folder.is_dir():
        for item in folder.iterdir():
            if item.is_file() and not item.name.endswith((".py", ".pyc")):
                yield f"{name}/{item.name}", item.read_bytes()


def _conf_folders(module: str) -> Iterator[str]:
    """The folders of `conf` in a module's calls such as `conf_file("classes", ...)`."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = getattr(node.func, "id", getattr(node.func, "attr", ""))
            folder = node.args[0].value
            if function in {"conf_file", "conf_file_names"} and folder not in _FOLDERS_OF_SETTINGS:
                yield str(folder)


def all_modules() -> Iterator[str]:
    """The names of all modules and packages of captionlake."""
    for package in _PACKAGES:
        yield from _modules_below(package, files(package))


def _modules_below(name: str, folder: Traversable) -> Iterator[str]:
    yield name
    for item in folder.iterdir():
        if item.is_dir():
            yield from _modules_below(f"{name}.{item.name}", item)
        elif item.name.endswith(".py"):
            yield f"{name}.{item.name.removesuffix('.py')}"


def _folder_of(package: str) -> Traversable:
    top, *rest = package.split(".")
    return files(top).joinpath(*rest) if rest else files(top)


def _is_package(module: str) -> bool:
    return _folder_of(module).joinpath("__init__.py").is_file()


def _file_of(module: str) -> Traversable | None:
    top, *rest = module.split(".")
    if top not in _PACKAGES:
        return None
    package = _folder_of(module).joinpath("__init__.py")
    if package.is_file():
        return package
    file = files(top).joinpath(*rest[:-1], f"{rest[-1]}.py") if rest else package
    return file if file.is_file() else None
