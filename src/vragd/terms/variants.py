"""A setting whose class is chosen by its key `type`, among ours and those of installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from vragd.errors import ConfigError
from vragd.system.packages import Types


class OneOf:
    """
    `Annotated[BASE, OneOf(TYPES)]`: settings of one of the types, each a subclass of `BASE`.

    Dumped with every field of the subclass: as a field of type `BASE` they would be dropped.
    """

    def __init__(self, types: Types) -> None:
        self._types = types
        self._wide: dict[str, TypeAdapter[Any]] = {}  # by type of a package; a validator costs milliseconds to make

    def classes(self) -> list[type[BaseModel]]:
        """The classes of our own types, and of those of packages that can be imported."""
        found = [self._types.settings(name) for name in self._types.ours]
        for name in self._types.installed():
            if name not in self._types.ours:
                try:
                    found.append(self._of_package(name))
                except PydanticCustomError:
                    continue  # it is told to whoever asks for that type, and by `config check`
        return found

    def __get_pydantic_core_schema__(self, base: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, ours: core_schema.ValidatorFunctionWrapHandler) -> Any:
            name = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
            if not isinstance(name, str) or name in self._types.ours:
                return ours(value)
            return self._adapter(name, base).validate_python(value)

        inner = handler.generate_schema(_union([self._types.settings(name) for name in self._types.ours]))
        return core_schema.no_info_wrap_validator_function(
            validate, inner, serialization=core_schema.simple_ser_schema("any")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(TypeAdapter(_union(self.classes())).core_schema)

    def _adapter(self, name: str, base: type[BaseModel]) -> TypeAdapter[Any]:
        if name not in self._wide:
            if name not in (names := self._types.names()):
                raise _fault(self._types.unknown(name, names))
            cls = self._of_package(name)
            if not issubclass(cls, base):
                raise _fault(f"{self._types.noun} type {name!r}: {cls.__name__} is no {base.__name__}")
            ours = [self._types.settings(name) for name in self._types.ours]
            self._wide[name] = TypeAdapter(_union([*ours, cls]))
        return self._wide[name]

    def _of_package(self, name: str) -> type[BaseModel]:
        try:
            cls = self._types.settings(name)
        except ConfigError as error:
            raise _fault(error.message) from None
        tag = cls.model_fields.get("type") if issubclass(cls, BaseModel) else None
        if tag is None or getattr(tag.annotation, "__args__", None) != (name,):
            raise _fault(f"{self._types.noun} type {name!r}: its Settings have no field type: Literal[{name!r}]")
        return cls


def _union(classes: list[type[BaseModel]]) -> Any:
    if len(classes) == 1:
        return classes[0]
    return Annotated[Union[tuple(classes)], Field(discriminator="type")]  # noqa: UP007  made of a list


def _fault(message: str) -> PydanticCustomError:
    # not a format: a message may hold braces
    return PydanticCustomError("type_unusable", "{message}", {"message": message})
