# A collector's gRPC side, made of other people's gRPC and message classes: `grpc_collector.py DIRECTORY CERTIFICATES SIGNAL=ANSWER,ANSWER...`, one answer
# for each request of a signal, the last one for all that follow: `ok`, `partial:REJECTED` or `busy:SECONDS`, which is UNAVAILABLE with RetryInfo. Clients
# must show a certificate. Prints one line of JSON for each request, whose message is in DIRECTORY, and then the port that it listens on.
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

directory, certificates = sys.argv[1:3]
answers = {signal: words.split(",") for signal, words in (argument.split("=") for argument in sys.argv[3:])}
lock = threading.Lock()
count = 0
SERVICES = {
    "logs": (logs_service_pb2, "LogsService", "ExportLogs", "rejected_log_records"),
    "metrics": (metrics_service_pb2, "MetricsService", "ExportMetrics", "rejected_data_points"),
    "traces": (trace_service_pb2, "TraceService", "ExportTrace", "rejected_spans"),
}


def say(**line):
    with lock:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def service(signal):
    module, name, prefix, rejected = SERVICES[signal]
    request_class = getattr(module, prefix + "ServiceRequest")
    response_class = getattr(module, prefix + "ServiceResponse")

    def export(body, context):
        global count
        with lock:
            count += 1
            number = count
            behaviour = answers[signal].pop(0) if len(answers[signal]) > 1 else answers[signal][0]
        request_class.FromString(body)
        with open(f"{directory}/{number}", "wb") as file:
            file.write(body)
        word, _, argument = behaviour.partition(":")
        say(
            number=number,
            signal=signal,
            key=dict(context.invocation_metadata()).get("x-honeycomb-team"),
            client=context.auth_context().get("x509_common_name", [b""])[0].decode(),
            taken=word != "busy",
        )
        if word == "busy":
            details = any_pb2.Any()
            details.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=int(argument))))
            context.abort_with_status(
                rpc_status.to_status(status_pb2.Status(code=code_pb2.UNAVAILABLE, message="come back later", details=[details]))
            )
        response = response_class()
        if word == "partial":
            setattr(response.partial_success, rejected, int(argument))
            response.partial_success.error_message = "no room for more"
        return response

    handler = grpc.unary_unary_rpc_method_handler(
        export, request_deserializer=None, response_serializer=response_class.SerializeToString
    )
    return grpc.method_handlers_generic_handler(module.DESCRIPTOR.services_by_name[name].full_name, {"Export": handler})


def pem(name):
    with open(f"{certificates}/{name}", "rb") as file:
        return file.read()


server = grpc.server(ThreadPoolExecutor(8))
server.add_generic_rpc_handlers([service(signal) for signal in SERVICES])
credentials = grpc.ssl_server_credentials([(pem("local.key"), pem("local.pem"))], pem("ca.pem"), require_client_auth=True)
port = server.add_secure_port("localhost:0", credentials)
server.start()
print(f"listening on {port}", flush=True)
server.wait_for_termination()
