// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import MeshModel

/// What is wrong with one stand-in cluster: `world/CLUSTER/faults.json`, read anew at each request. Every key may be missing.
package struct StandInFaults: Hashable, Sendable, Codable {
    /// Milliseconds before every answer.
    package var apiSlow = 0
    /// Every request is answered with 503.
    package var apiDown = false
    /// Names (`cilium`, `kube-system/cilium`, `*`) of what never becomes ready.
    package var neverReady: [String] = []
    /// Milliseconds from a change to readiness.
    package var readyAfter = 400
    /// `cilium status` and `clustermesh status` print what is not JSON, with exit code 0.
    package var ciliumStatusGarbage = false
    /// cilium does not return.
    package var ciliumHang = false
    /// `connect` says that it is connected, with exit code 0, and no agent is.
    package var ciliumExitZeroNotConnected = false
    /// `clustermesh status -o json` has no connectivity section, as recorded when pods cannot be asked.
    package var connectivityUnknown = false
    /// No router answers.
    package var bgpDown = false
    /// Failures in a connectivity test.
    package var connectivityFailures = 0
    /// At the first start: a Secret cilium-ca that is not the mesh's.
    package var foreignCA = false
    /// At the first start: a DaemonSet kube-proxy.
    package var kubeProxy = false
    /// The clustermesh API server shows a certificate of a CA that was there before.
    package var showsStaleCertificate = false
    /// Pods of kube-system that a change of their workload does not restart.
    package var leftOut: [String] = []
    /// Megabytes of chatter that every tool prints first.
    package var chatter = 0
    /// Policies are there and nobody heeds them.
    package var ignoresPolicies = false
    /// Helm operations get stuck between "pending" and "deployed".
    package var hangsWhilePending = false
    /// At the first start: the Talos that the machines run.
    package var talosVersion = StandInMachines.firstVersion
    /// At the first start: etcd is there already, as after a Terraform that bootstraps.
    package var bootstrapped = false
    /// Names of machines whose Talos API does not answer.
    package var silentMachines: [String] = []
    /// A bootstrap takes effect, and its answer is lost.
    package var bootstrapAnswerLost = false
    /// What becomes of an upgrade of Talos: `stays` (exit code 0, nothing done), `fails`, `silent` (it never comes back).
    package var upgradeFate: String?
    /// Milliseconds that every tool takes longer, besides `LAB_STANDIN_DELAY_MS`.
    package var toolDelay = 0

    package init() {}

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func value<Value: Decodable>(_ key: CodingKeys, _ fallback: Value) throws -> Value {
            try values.decodeIfPresent(Value.self, forKey: key) ?? fallback
        }
        apiSlow = try value(.apiSlow, apiSlow)
        apiDown = try value(.apiDown, apiDown)
        neverReady = try value(.neverReady, neverReady)
        readyAfter = try value(.readyAfter, readyAfter)
        ciliumStatusGarbage = try value(.ciliumStatusGarbage, ciliumStatusGarbage)
        ciliumHang = try value(.ciliumHang, ciliumHang)
        ciliumExitZeroNotConnected = try value(.ciliumExitZeroNotConnected, ciliumExitZeroNotConnected)
        connectivityUnknown = try value(.connectivityUnknown, connectivityUnknown)
        bgpDown = try value(.bgpDown, bgpDown)
        connectivityFailures = try value(.connectivityFailures, connectivityFailures)
        foreignCA = try value(.foreignCA, foreignCA)
        kubeProxy = try value(.kubeProxy, kubeProxy)
        leftOut = try value(.leftOut, leftOut)
        showsStaleCertificate = try value(.showsStaleCertificate, showsStaleCertificate)
        ignoresPolicies = try value(.ignoresPolicies, ignoresPolicies)
        hangsWhilePending = try value(.hangsWhilePending, hangsWhilePending)
        chatter = try value(.chatter, chatter)
        talosVersion = try value(.talosVersion, talosVersion)
        bootstrapped = try value(.bootstrapped, bootstrapped)
        silentMachines = try value(.silentMachines, silentMachines)
        bootstrapAnswerLost = try value(.bootstrapAnswerLost, bootstrapAnswerLost)
        upgradeFate = try values.decodeIfPresent(String.self, forKey: .upgradeFate)
        toolDelay = try value(.toolDelay, toolDelay)
    }

    /// No file means no faults; a file that cannot be read is refused loudly, or a scenario would test nothing.
    package static func load(_ directory: String) throws -> StandInFaults {
        let path = directory + "/faults.json"
        guard LabFiles.exists(path) else { return StandInFaults() }
        guard let bytes = LabFiles.bytes(path), let faults = try? JSONDecoder().decode(StandInFaults.self, from: Data(bytes)) else {
            throw LabError.unexpected(doing: "read the faults of a stand-in cluster", found: "no valid JSON in \(path)")
        }
        return faults
    }

    /// Puts them into effect for the stand-in cluster in `directory`.
    package func save(_ directory: String) throws {
        let path = directory + "/faults.json"
        try LabFiles.write(String(decoding: JSONEncoder().encode(self), as: UTF8.self) + "\n", to: path + ".new")
        try LabFiles.rename(path + ".new", to: path)
    }

    func keepsDown(_ path: StandInPath) -> Bool {
        neverReady.contains { $0 == "*" || $0 == path.name || $0 == "\(path.namespace ?? "")/\(path.name ?? "")" }
    }
}
