// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The summary for people, with its colours. No program should read it; it is here because people do.
extension StandInCiliumReport {
    var text: String { (banner + workloads + containers + facts + complaints).joined(separator: "\n") }

    private static let red = "\u{1B}[31m", green = "\u{1B}[32m", yellow = "\u{1B}[33m", blue = "\u{1B}[34m", purple = "\u{1B}[35m"
    private static let cyan = "\u{1B}[36m", plain = "\u{1B}[0m"

    private func counts(_ name: String, _ whenDisabled: String = "disabled") -> String {
        let entries = json["errors", name]?.entries ?? [:]
        if entries.values.contains(where: { $0["Disabled"]?.truth == true }) { return Self.cyan + whenDisabled + Self.plain }
        func sum(_ key: String) -> Int { entries.values.reduce(0) { $0 + ($1[key]?.elements.count ?? 0) } }
        let errors = sum("Errors"), warnings = sum("Warnings")
        var words: [String] = []
        if errors > 0 { words.append("\(Self.red)\(errors) errors\(Self.plain)") }
        if warnings > 0 { words.append("\(Self.yellow)\(warnings) warnings\(Self.plain)") }
        return words.isEmpty ? "\(Self.green)OK\(Self.plain)" : words.joined(separator: ", ")
    }

    private var banner: [String] {
        let (red, green, yellow, blue, purple, cyan, plain) = (
            Self.red, Self.green, Self.yellow, Self.blue, Self.purple, Self.cyan, Self.plain
        )
        return [
            "\(yellow)    /¯¯\\",
            "\(cyan) /¯¯\(yellow)\\__/\(green)¯¯\\\(plain)    Cilium:             \(counts("cilium"))",
            "\(cyan) \\__\(red)/¯¯\\\(green)__/\(plain)    Operator:           \(counts("cilium-operator"))",
            "\(green) /¯¯\(red)\\__/\(purple)¯¯\\\(plain)    Envoy DaemonSet:    \(counts("cilium-envoy", "disabled (using embedded mode)"))",
            "\(green) \\__\(blue)/¯¯\\\(purple)__/\(plain)    Hubble Relay:       \(counts("hubble-relay"))",
            "\(blue)\(blue)\(blue)    \\__/\(plain)       ClusterMesh:        \(counts("clustermesh-apiserver"))",
            "",
        ]
    }

    private var workloads: [String] {
        parts.filter { $0.object != nil }.map { part in
            let left = part.desired - part.ready
            let state =
                left > 0
                ? "Unavailable: \(Self.red)\(left)/\(part.desired)\(Self.plain)"
                : "Ready: \(Self.green)\(part.ready)/\(part.desired)\(Self.plain), Available: \(Self.green)\(part.ready)/\(part.desired)\(Self.plain)"
            return Self.columns(part.kind, part.name, "Desired: \(part.desired), \(state)")
        }
    }

    private var containers: [String] {
        parts.filter { $0.object != nil || $0.name != "cilium-envoy" }.enumerated().map { index, part in
            let phase = part.ready >= part.desired ? "Running" : "Pending"
            let state = part.object == nil ? "" : "\(phase): \(Self.green)\(part.desired)\(Self.plain)"
            return Self.columns(index == 0 ? "Containers:" : "", part.name, state)
        }
    }

    private var facts: [String] {
        let pods = json["pods_count"]
        var lines = [Self.columns("Cluster Pods:", "\(pods?["by_cilium"]?.number ?? 0)/\(pods?["all"]?.number ?? 0) managed by Cilium")]
        if let version = json["helm_chart_version"]?.text { lines.append(Self.columns("Helm chart version:", version)) }
        let images = parts.flatMap { part in part.images.sorted { $0.key < $1.key }.map { (part.name, "\($0.key): \($0.value)") } }
        return lines + images.enumerated().map { Self.columns($0 == 0 ? "Image versions" : "", $1.0, $1.1) }
    }

    private var complaints: [String] {
        ["Errors", "Warnings"].flatMap { key in
            (json["errors"]?.entries ?? [:]).sorted { $0.key < $1.key }.flatMap { part, pods in
                pods.entries.sorted { $0.key < $1.key }.flatMap { pod, entry in
                    (entry[key]?.elements ?? []).compactMap(\.text).map { (part, pod, $0) }
                }
            }.enumerated().map { Self.columns($0 == 0 ? key + ":" : "", $1.0, $1.1 + "    " + $1.2) }
        }
    }

    private static func columns(_ first: String, _ second: String, _ third: String? = nil) -> String {
        func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
        return padded(first, 23) + (third.map { padded(second, 25) + $0 } ?? second)
    }
}
