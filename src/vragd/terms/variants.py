"""A setting whose class is chosen by its key `type`, among ours and those of installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, PydanticCustomError, SchemaValidator, core_schema

from vragd.errors import ConfigError
from vragd.system.packages import Types


class OneOf:
    """
    `Annotated[BASE, OneOf(TYPES)]`: settings of one of the types, each a subclass of `BASE`.

    Dumped with every field of the subclass: as a field of type `BASE` they would be dropped. Of ours none is loaded
    before a value is of its type: a validator costs milliseconds to make, and all of them more than a question.
    """

    def __init__(self, types: Types) -> None:
        self._types = types
        self._made: dict[str, SchemaValidator] = {}  # by type, "" for what has none

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
        def validate(value: Any) -> Any:
            name = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
            return self._validator(name if isinstance(name, str) else "", base).validate_python(value)

        return core_schema.no_info_plain_validator_function(
            validate, serialization=core_schema.simple_ser_schema("any")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(TypeAdapter(_union(self.classes())).core_schema)

    def _validator(self, name: str, base: type[BaseModel]) -> SchemaValidator:
        if name not in self._made:
            if not name:  # it says which there are
                whole = TypeAdapter(_union([self._types.settings(one) for one in self._types.ours])).core_schema
                self._made[name] = SchemaValidator(whole)
                return self._made[name]
            if name in self._types.ours:
                cls = self._types.settings(name)
            elif name in (names := self._types.names()):
                cls = self._of_package(name)
            else:
                raise _fault(self._types.unknown(name, names))
            if not issubclass(cls, base):
                raise _fault(f"{self._types.noun} type {name!r}: {cls.__name__} is no {base.__name__}")
            # tagged, so that a complaint names the type as one about all of them does
            tagged = core_schema.tagged_union_schema({name: TypeAdapter(cls).core_schema}, "type")
            self._made[name] = SchemaValidator(tagged)
        return self._made[name]

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
