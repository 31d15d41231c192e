// SPDX-License-Identifier: Apache-2.0

import AgentLink
import DiskWipe
import HostTrace
import Logging
import MeshModel

/// What can be set in the file, by `MESHGATE_AGENT_...` and by a flag of the same name; a flag wins over the environment, and that over the file.
enum SettingKey: String, CaseIterable {
    case coordinator, node, state, signers
    case joinTokenFile = "join-token-file"
    case wiperSocket = "wiper-socket"
    case wiperState = "wiper-state"
    case proberSocket = "prober-socket"
    case tracerSocket = "tracer-socket"
    case tracerScope = "tracer-scope"
    case tetragonLog = "tetragon-log"
    case tetragon
    case tetragonTLS = "tetragon-tls"
    case tetragonServerName = "tetragon-server-name"
    case tetragonLeaveOut = "tetragon-leave-out"
    case tetragonMetrics = "tetragon-metrics"
    case hubble
    case hubbleTLS = "hubble-tls"
    case hubbleServerName = "hubble-server-name"
    case hubbleVerdicts = "hubble-verdicts"
    case nodeKey = "node-key"
    case agentUser = "agent-user"
    case wipeRate = "wipe-rate"
    case wipePriority = "wipe-priority"
    case wipesAtOnce = "wipes-at-once"
    case largestWipe = "largest-wipe"
    case spoolSize = "spool-size"
    case logLevel = "log-level"

    var environmentName: String { "MESHGATE_AGENT_" + rawValue.uppercased().map { $0 == "-" ? "_" : String($0) }.joined() }
}

/// A setting as somebody wrote it, and where: `/etc/meshgate/agent.conf:3`, a variable or a flag.
struct SettingText: Equatable {
    var text: String
    var place: String
}

/// Every setting of the agent, typed and with defaults.
struct AgentSettings: Equatable {
    static let defaultFile = "/etc/meshgate/agent.conf"

    var coordinator: Endpoint?
    var node: NodeID?
    var joinTokenFile: String?
    var state = "/var/lib/meshgate-agent"
    var signers = "/etc/meshgate/allowed_signers"
    var wiperSocket = "/run/meshgate-wiper/wiper.sock"
    var wiperState = "/var/lib/meshgate-wiper"
    var proberSocket = "/run/meshgate-prober/prober.sock"
    var tracerSocket = "/run/meshgate-tracer/tracer.sock"
    var tracerScope = TraceScope.host
    /// Where Tetragon writes its events; the usual places unless given.
    var tetragonLog: String?
    /// Tetragon's and Hubble's streams.
    var streams = StreamSettings()
    /// Where `run` writes the digest of its key and the wiper reads it: a warrant is bound to that key.
    var nodeKey = "/run/meshgate-agent/node-key"
    /// Whom wiper, prober and tracer listen to besides their own users.
    var agentUser: String?
    /// How considerate wipes are towards others on this host.
    var manners = WipeManners()
    /// Bytes of telemetry that are kept for a coordinator that is away; zero switches telemetry off.
    var spoolBytes: UInt64 = 256 << 20
    var logLevel = Logger.Level.info

    /// All faults at once, each with its place.
    struct Faults: Error, Equatable, CustomStringConvertible {
        var faults: [String]
        var description: String { faults.joined(separator: "\n") }
    }

    init() {}

    init(_ texts: [SettingKey: SettingText]) throws(Faults) {
        var faults: [String] = []
        func take<Value>(_ key: SettingKey, wanted: String, _ parse: (String) -> Value?) -> Value? {
            guard let given = texts[key] else { return nil }
            if let value = parse(given.text) { return value }
            faults.append("\(given.place): \(key.rawValue) is \"\(printable(given.text))\", wanted is \(wanted)")
            return nil
        }
        func path(_ key: SettingKey) -> String? {
            take(key, wanted: "an absolute path") { $0.hasPrefix("/") && !$0.utf8.contains(0) ? $0 : nil }
        }
        coordinator = take(.coordinator, wanted: Endpoint.form, Endpoint.init)
        node = take(.node, wanted: NodeID.grammar, NodeID.init)
        joinTokenFile = path(.joinTokenFile)
        state = path(.state) ?? state
        signers = path(.signers) ?? signers
        wiperSocket = path(.wiperSocket) ?? wiperSocket
        wiperState = path(.wiperState) ?? wiperState
        proberSocket = path(.proberSocket) ?? proberSocket
        tracerSocket = path(.tracerSocket) ?? tracerSocket
        let scopes = TraceScope.allCases.map(\.rawValue).joined(separator: " or ")
        tracerScope = take(.tracerScope, wanted: scopes) { TraceScope(rawValue: $0) } ?? tracerScope
        tetragonLog = path(.tetragonLog)
        streams = StreamSettings(texts, faults: &faults)
        nodeKey = path(.nodeKey) ?? nodeKey
        agentUser = take(.agentUser, wanted: "a user's name or number") { $0.isEmpty || $0.utf8.contains(0) ? nil : $0 }
        let priorities = WipeManners.Priority.allCases.map(\.rawValue).joined(separator: ", ")
        manners = WipeManners(
            priority: take(.wipePriority, wanted: "one of \(priorities)") { WipeManners.Priority(rawValue: $0) } ?? manners.priority,
            rate: take(.wipeRate, wanted: "bytes a second, such as 200MiB") { ByteCount($0).flatMap { $0.bytes > 0 ? $0.bytes : nil } },
            atOnce: take(.wipesAtOnce, wanted: "a number from 1 to 16") { Int($0).flatMap { (1...16).contains($0) ? $0 : nil } }
                ?? manners.atOnce,
            largestDisk: take(.largestWipe, wanted: ByteCount.form) { ByteCount($0)?.bytes })
        spoolBytes =
            take(.spoolSize, wanted: "0B to switch telemetry off, or a size from 1MiB on") { text in
                ByteCount(text).flatMap { $0.bytes == 0 || $0.bytes >= 1 << 20 ? $0.bytes : nil }
            } ?? spoolBytes
        let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
        logLevel = take(.logLevel, wanted: "one of \(levels)") { Logger.Level(rawValue: $0) } ?? logLevel
        guard faults.isEmpty else { throw Faults(faults: faults) }
    }

    /// The file's settings, those of the environment over them, and the flags on top.
    static func merge(
        file: [SettingKey: SettingText], environment: (String) -> String?, flags: [SettingKey: String]
    ) -> [SettingKey: SettingText] {
        var texts = file
        for key in SettingKey.allCases {
            if let text = environment(key.environmentName) { texts[key] = SettingText(text: text, place: key.environmentName) }
            if let text = flags[key] { texts[key] = SettingText(text: text, place: "--\(key.rawValue)") }
        }
        return texts
    }
}

extension Endpoint {
    static let form = "HOST:PORT, such as mesh.example.org:7443 or [2001:db8::1]:7443"

    /// A name or an IPv4 address before the colon, an IPv6 address in brackets.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard IPAddress(host)?.family == .v6 else { return nil }
        } else {
            let allowed = host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == ".") }
            guard allowed, (1...253).contains(host.utf8.count), !host.hasPrefix("-") else { return nil }
        }
        self.init(host: host, port: Int(port))
    }
}
