"""The messages of OTLP as they are parsed here: the published ones, but with texts and attributes left as bytes.

A parser that checks texts refuses a whole request for one broken character, and one that unfolds attributes gives up on a whole
request where one of them is nested too deeply. On the wire, texts and embedded messages are bytes like any others. Left as such
they are looked at one by one, where a fault costs no more than what it is in; and an attribute that many spans of a request
carry is unfolded once.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

PACKAGE = "opentelemetry.proto"
UNFOLDED_LATER = {f".{PACKAGE}.common.v1.KeyValue", f".{PACKAGE}.common.v1.AnyValue"}


def _leave_as_bytes(messages: Iterable[DescriptorProto]) -> None:
    for message in messages:
        for field in message.field:
            is_list = field.label == FieldDescriptorProto.LABEL_REPEATED
            if field.type == FieldDescriptorProto.TYPE_STRING or (is_list and field.type_name in UNFOLDED_LATER):
                field.type = FieldDescriptorProto.TYPE_BYTES
                field.ClearField("type_name")
        _leave_as_bytes(message.nested_type)


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for module in (common_pb2, resource_pb2, trace_pb2, trace_service_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        _leave_as_bytes(file.message_type)
        pool.Add(file)
    return pool


_POOL = _pool()


def _message(name: str) -> Any:
    return GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


ExportTraceServiceRequest = _message("collector.trace.v1.ExportTraceServiceRequest")
KeyValue = _message("common.v1.KeyValue")
AnyValue = _message("common.v1.AnyValue")
