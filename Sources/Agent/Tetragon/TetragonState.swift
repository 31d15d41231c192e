// SPDX-License-Identifier: Apache-2.0

internal import Telemetry

/// What Tetragon says of itself, as the body of an event. `policies`: absent when it does not list them.
enum TetragonState {
    static func json(version: String, health: String, policies: [TetragonPolicy]?) -> [UInt8] {
        var line = JSONLine()
        line.put("version", version)
        line.put("health", health)
        guard let policies else { return line.closed }
        line.put(
            "policies",
            policies.map { policy in
                var object = JSONLine()
                object.put("name", policy.name)
                if !policy.namespace.isEmpty { object.put("namespace", policy.namespace) }
                object.put("state", policy.state)
                object.put("mode", policy.mode)
                if !policy.error.isEmpty { object.put("error", policy.error) }
                return object
            })
        return line.closed
    }
}
