// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshHTTP
import MeshModel
import MeshSystem
import OTLPExport

/// Where `meshgate serve` sends what it knows, and how. Telemetry holds what programs were started with, passwords included, so only an endpoint that was
/// named to Meshgate itself begins it: the variables that other programs share say how, never whether.
struct OTLPOptions: ParsableArguments {
    @Option(
        name: .customLong("otlp-endpoint"),
        help: "Send logs, metrics and traces to this OpenTelemetry collector: http:// or https://HOST[:PORT]. [MESHGATE_OTLP_ENDPOINT]")
    var endpoint: String?
    @Option(
        name: .customLong("otlp-protocol"),
        help: "http/protobuf or grpc. [MESHGATE_OTLP_PROTOCOL; OTEL_EXPORTER_OTLP_PROTOCOL; http/protobuf]")
    var transport: String?
    @Option(name: .customLong("otlp-signals"), help: "Which of logs,metrics,traces. [MESHGATE_OTLP_SIGNALS; all]") var signals: String?
    @Option(
        name: .customLong("otlp-headers-file"),
        help: "A file of lines NAME: VALUE, such as a key, for every request. [MESHGATE_OTLP_HEADERS_FILE; OTEL_EXPORTER_OTLP_HEADERS]",
        completion: .file())
    var headersFile: String?
    @Option(
        name: .customLong("otlp-ca"),
        help: "PEM of the authority of the collector's certificate. [MESHGATE_OTLP_CA; OTEL_EXPORTER_OTLP_CERTIFICATE; the system's]",
        completion: .file())
    var authority: String?
    @Option(
        name: .customLong("otlp-client-certificate"),
        help: "PEM of our certificate. [MESHGATE_OTLP_CLIENT_CERTIFICATE; OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE]", completion: .file())
    var certificate: String?
    @Option(
        name: .customLong("otlp-client-key"), help: "PEM of its key. [MESHGATE_OTLP_CLIENT_KEY; OTEL_EXPORTER_OTLP_CLIENT_KEY]",
        completion: .file())
    var key: String?
    @Option(name: .customLong("otlp-metrics-every"), help: "Between two pages of metrics. [MESHGATE_OTLP_METRICS_EVERY; 60s]")
    var metricsEvery: String?

    /// `nil` when no endpoint was named. Every file is read here, once.
    func configuration(
        lookUp: (String) -> String? = { environment($0) }, files: some FileStore = LinuxFileStore()
    ) throws -> OTLPConfiguration? {
        func chosen(_ option: String?, _ name: String, standard: Bool = true) -> String? {
            option ?? lookUp("MESHGATE_OTLP_\(name)") ?? (standard ? lookUp("OTEL_EXPORTER_OTLP_\(name)") : nil)
        }
        guard let endpoint = chosen(endpoint, "ENDPOINT", standard: false), !endpoint.isEmpty else { return nil }
        do {
            let word = chosen(transport, "PROTOCOL") ?? OTLPConfiguration.Transport.http.rawValue
            guard let transport = OTLPConfiguration.Transport(rawValue: word) else {
                throw OTLPFault.option("--otlp-protocol", value: word, wanted: "http/protobuf or grpc")
            }
            var configuration = OTLPConfiguration(endpoint: try .init(endpoint), transport: transport)
            if let text = chosen(signals, "SIGNALS", standard: false) { configuration.signals = try Self.signals(text) }
            if let path = headersFile ?? lookUp("MESHGATE_OTLP_HEADERS_FILE") {
                configuration.headers = try OTLPConfiguration.Header.read(
                    lines: String(decoding: try Self.read(path, files), as: UTF8.self))
            } else if let list = lookUp("OTEL_EXPORTER_OTLP_HEADERS") {
                configuration.headers = try OTLPConfiguration.Header.read(list: list)
            }
            configuration.roots = try (authority ?? lookUp("MESHGATE_OTLP_CA") ?? lookUp("OTEL_EXPORTER_OTLP_CERTIFICATE")).map {
                try Self.read($0, files)
            }
            switch (chosen(certificate, "CLIENT_CERTIFICATE"), chosen(key, "CLIENT_KEY")) {
            case (nil, nil): break
            case (.some(let certificate), .some(let key)):
                configuration.identity = .init(certificate: try Self.read(certificate, files), key: try Self.read(key, files))
            case (.some(let path), nil), (nil, .some(let path)):
                throw OTLPFault.file(path, problem: "a certificate and its key are wanted together")
            }
            try timing(&configuration, lookUp)
            return configuration
        } catch let fault as OTLPFault {
            throw Failure(.configuration, "\(fault)")
        }
    }

    private func timing(_ configuration: inout OTLPConfiguration, _ lookUp: (String) -> String?) throws {
        if let text = lookUp("OTEL_EXPORTER_OTLP_TIMEOUT") {
            guard let milliseconds = Int64(text), (1...600_000).contains(milliseconds) else {
                throw OTLPFault.option("OTEL_EXPORTER_OTLP_TIMEOUT", value: text, wanted: "milliseconds, at most 600000")
            }
            configuration.timeout = .milliseconds(milliseconds)
        }
        if let text = lookUp("OTEL_EXPORTER_OTLP_COMPRESSION") {
            guard ["gzip", "none"].contains(text) else {
                throw OTLPFault.option("OTEL_EXPORTER_OTLP_COMPRESSION", value: text, wanted: "gzip or none")
            }
            configuration.isCompressed = text == "gzip"
        }
        if let text = metricsEvery ?? lookUp("MESHGATE_OTLP_METRICS_EVERY") {
            guard let span = TimeSpan(text), span.duration >= .seconds(1) else {
                throw OTLPFault.option("--otlp-metrics-every", value: text, wanted: "\(TimeSpan.form), and at least 1s")
            }
            configuration.metricsInterval = span.duration
        }
    }

    private static func signals(_ text: String) throws(OTLPFault) -> Set<OTLPSignal> {
        var signals: Set<OTLPSignal> = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let signal = OTLPSignal(rawValue: word.filter { $0 != " " }) else {
                throw .option("--otlp-signals", value: text, wanted: "logs, metrics and traces with commas between them")
            }
            signals.insert(signal)
        }
        return signals
    }

    private static func read(_ path: String, _ files: some FileStore) throws(OTLPFault) -> [UInt8] {
        do {
            guard let bytes = try files.read(absolute(path), limit: 1 << 20) else {
                throw OTLPFault.file(path, problem: "there is no such file")
            }
            return bytes
        } catch let fault as OTLPFault {
            throw fault
        } catch {
            throw .file(path, problem: "\(error)")
        }
    }
}
