// SPDX-License-Identifier: Apache-2.0

import GRPCStream
import Hubble
import MeshModel
import Tetragon

/// Where Tetragon and Hubble are, and what is wanted of them. A Unix socket is read by the tracer, which has the right to it and no network; a
/// port is read by `run`, which has the network.
struct StreamSettings: Equatable {
    /// One service.
    enum Place: Equatable {
        /// Where it usually is on this host, when it is there.
        case usual
        case none
        case at(GRPCAddress)

        /// Whether the tracer reads it.
        var isLocal: Bool {
            switch self {
            case .usual: true
            case .none: false
            case .at(let address): address.isUnix
            }
        }

        /// The port that `run` reads; `nil` when it has nothing to read.
        var port: GRPCAddress? {
            guard case .at(let address) = self, !address.isUnix else { return nil }
            return address
        }
    }

    var tetragon = Place.usual
    var tetragonTrust: GRPCTrust?
    /// Paths of fields that Tetragon need not send.
    var tetragonLeaveOut: [String] = []
    /// Where Tetragon's counters are; `nil` for nowhere.
    var tetragonMetrics: GRPCAddress? = .tcp(host: "127.0.0.1", port: 2112)
    var hubble = Place.usual
    var hubbleTrust: GRPCTrust?
    /// Flows of which verdicts are told one by one; empty for all.
    var hubbleVerdicts: Set<UInt64> = Set(["dropped", "error", "audit"].compactMap(FlowWords.verdict))

    init() {}

    init(_ texts: [SettingKey: SettingText], faults: inout [String]) {
        func refuse(_ key: SettingKey, _ given: SettingText, wanted: String) {
            faults.append("\(given.place): \(key.rawValue) is \"\(printable(given.text))\", wanted is \(wanted)")
        }
        func place(_ key: SettingKey) -> Place {
            guard let given = texts[key] else { return .usual }
            if given.text == "none" { return .none }
            if let address = GRPCAddress(given.text) { return .at(address) }
            refuse(key, given, wanted: "\(GRPCAddress.form), or none")
            return .usual
        }
        func trust(_ directory: SettingKey, _ name: SettingKey, for service: SettingKey, at place: Place) -> GRPCTrust? {
            guard let given = texts[directory] else {
                if case .at(let address) = place, !address.isOnThisHost, let given = texts[service] {
                    refuse(service, given, wanted: "\(directory.rawValue) with it: without TLS only this host is asked")
                }
                return nil
            }
            guard given.text.hasPrefix("/"), !given.text.utf8.contains(0) else {
                refuse(directory, given, wanted: "an absolute path of a directory with ca.crt")
                return nil
            }
            return GRPCTrust(directory: given.text, serverName: texts[name]?.text)
        }
        tetragon = place(.tetragon)
        tetragonTrust = trust(.tetragonTLS, .tetragonServerName, for: .tetragon, at: tetragon)
        hubble = place(.hubble)
        hubbleTrust = trust(.hubbleTLS, .hubbleServerName, for: .hubble, at: hubble)
        if let given = texts[.tetragonLeaveOut] {
            tetragonLeaveOut = given.text.split(separator: ",").map { String($0.filter { $0 != " " }) }
            if !tetragonLeaveOut.allSatisfy(Self.isFieldPath) {
                refuse(.tetragonLeaveOut, given, wanted: "paths of fields, such as parent.pod,process.pod.pod_labels")
            }
        }
        if let given = texts[.tetragonMetrics] {
            tetragonMetrics = given.text == "none" ? nil : GRPCAddress(given.text)
            if given.text != "none", tetragonMetrics.map({ $0.isUnix || !$0.isOnThisHost }) ?? true {
                refuse(.tetragonMetrics, given, wanted: "127.0.0.1:PORT, or none")
            }
        }
        if let given = texts[.hubbleVerdicts] {
            let words = given.text.split(separator: ",").map { String($0.filter { $0 != " " }) }
            hubbleVerdicts = given.text == "all" ? [] : Set(words.compactMap(FlowWords.verdict))
            if given.text != "all", hubbleVerdicts.count != Set(words).count || words.isEmpty {
                refuse(.hubbleVerdicts, given, wanted: "all, or some of \(FlowWords.verdictWords.joined(separator: ","))")
            }
        }
    }

    private static func isFieldPath(_ path: String) -> Bool {
        !path.isEmpty && path.utf8.count <= 200
            && path.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "_" || $0 == ".") }
    }
}
