// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Running
import Telemetry

/// How much something matters, in OpenTelemetry's numbers and words.
package enum OTLPSeverity: UInt64, Hashable, Sendable {
    case debug = 5
    case info = 9
    case warn = 13
    case error = 17

    /// As syslog counts, for those who want it so: 7 debug, 6 info, 4 warning, 3 error.
    package var syslog: Int {
        switch self {
        case .debug: 7
        case .info: 6
        case .warn: 4
        case .error: 3
        }
    }

    var word: String {
        switch self {
        case .debug: "DEBUG"
        case .info: "INFO"
        case .warn: "WARN"
        case .error: "ERROR"
        }
    }

    /// Of an event on a host.
    init(_ event: TelemetryEvent) {
        // A policy of Tetragon that stepped in says so as its action.
        if let verdict = event.attributes.verdict?.lowercased(), verdict.hasSuffix("sigkill") || verdict.hasSuffix("override") {
            self = .error
            return
        }
        switch event.kind {
        case .oomKill, .diskError: self = .error
        case .packetDrop, .tcpRetransmit, .sourceLimited: self = .warn
        case .flow where event.attributes.verdict == "dropped": self = .warn
        default: self = .info
        }
    }

    /// Of one of Meshgate's own events.
    package init(_ event: FeedEvent) {
        switch event.kind {
        case "alarm", "stepFailed": self = .error
        case "runFinished" where event.text.hasSuffix(RunEnding.failed.rawValue): self = .error
        case "stepHeld", "stepRegressed", "stepUnsettled", "stepReturned", "overrideGranted", "agentRevoked": self = .warn
        case "evidenceTaken", "evidenceRenewed", "bootSeen": self = .debug
        default: self = .info
        }
    }
}
