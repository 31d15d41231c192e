# Reads requests with OpenTelemetry's own message classes and prints each as one line of JSON: `decode.py SIGNAL FILE...`. A field that the
# definitions do not know is an error: it would mean that we wrote a wrong number or type.
import json
import sys

from google.protobuf import json_format, unknown_fields
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {"logs": ExportLogsServiceRequest, "metrics": ExportMetricsServiceRequest, "traces": ExportTraceServiceRequest}


def check(message, path):
    unknown = unknown_fields.UnknownFieldSet(message)
    if len(unknown):
        sys.exit(f"{path}: unknown field {unknown[0].field_number}")
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for item in [value] if hasattr(value, "DESCRIPTOR") else value:
            check(item, f"{path}.{field.name}")


for name in sys.argv[2:]:
    message = KINDS[sys.argv[1]]()
    with open(name, "rb") as file:
        message.ParseFromString(file.read())
    check(message, sys.argv[1])
    print(json.dumps(json_format.MessageToDict(message)))
