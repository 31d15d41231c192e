// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// kubeconfig, talosconfig, talhelper, talm and Omni: names and addresses.
extension Inventory {
    mutating func readTalosconfig(_ document: HelmValue) {
        for (name, context) in (document["contexts"]?.entries ?? [:]).sorted(by: { $0.key < $1.key }) {
            let endpoints = (context["endpoints"]?.texts ?? []).compactMap { IPAddress($0) }
            let nodes = (context["nodes"]?.texts ?? []).compactMap { IPAddress($0) }
            cluster(name) { $0.members.formUnion(endpoints + nodes) }
            controlPlanes.formUnion(endpoints)
        }
    }

    /// Contexts of clusters that are known by another source; of all, when nothing else is known.
    mutating func readKubeconfig(_ document: HelmValue) {
        var servers: [String: String] = [:]
        for entry in document["clusters"]?.items ?? [] {
            if let name = entry["name"]?.text, let server = entry["cluster", "server"]?.text { servers[name] = server }
        }
        let isOnlySource = clusters.isEmpty
        for entry in document["contexts"]?.items ?? [] {
            guard let context = entry["name"]?.text, let name = entry["context", "cluster"]?.text, let server = servers[name] else {
                continue
            }
            let short = context.hasPrefix("admin@") ? String(context.dropFirst(6)) : name
            let known = clusters.contains { $0.name == Self.label(short) || $0.name == Self.label(name) || $0.endpoint == server }
            guard known || isOnlySource else {
                summary.append("context \(Self.plain(context)) leads to a cluster that no other source knows; it was left out")
                continue
            }
            let target = clusters.first { $0.endpoint == server }?.name ?? short
            cluster(target) { cluster in
                cluster.context = context
                cluster.endpoint = server
            }
        }
    }

    mutating func readTalhelper(_ document: HelmValue) {
        guard let name = document["clusterName"]?.text else { return }
        if let version = document["talosVersion"]?.text { talosVersions.insert(version) }
        cluster(name) { cluster in
            if let endpoint = document["endpoint"]?.text { cluster.endpoint = endpoint }
            cluster.podCIDRs = (document["clusterPodNets"]?.texts ?? []).compactMap { CIDR($0) }
            cluster.serviceCIDRs = (document["clusterSvcNets"]?.texts ?? []).compactMap { CIDR($0) }
        }
        for node in document["nodes"]?.items ?? [] {
            guard let host = node["hostname"]?.text.flatMap(Self.label) else { continue }
            var machine = Machine(name: host, cluster: Self.label(name), isControlPlane: node["controlPlane"]?.flag ?? false)
            machine.address = node["ipAddress"]?.text.flatMap { IPAddress(String($0.prefix { $0 != "," })) }
            for interface in node["networkInterfaces"]?.items ?? [] {
                machine.nics.append(NIC(name: interface["interface"]?.text, mtu: interface["mtu"]?.number))
                for text in interface["addresses"]?.texts ?? [] {
                    if let (address, range) = Self.interface(text), address == machine.address { machine.range = range }
                }
            }
            machines.append(machine)
        }
    }

    /// `# talm: nodes=["192.168.1.11"], endpoints=["192.168.1.11"], templates=["templates/controlplane.yaml"]`
    mutating func readTalm(_ files: [(name: String, text: String, tree: HelmValue?)]) {
        for file in files {
            let line = file.text.split(separator: "\n", maxSplits: 1).first ?? ""
            guard line.hasPrefix("# talm:") else {
                summary.append("\(Self.plain(file.name)) has no modeline (`# talm: nodes=[...]`); it was left out")
                continue
            }
            let nodes = Self.list("nodes", in: line).compactMap { IPAddress($0) }
            let templates = Self.list("templates", in: line)
            let type = file.tree?["machine", "type"]?.text
            for (index, address) in nodes.enumerated() {
                let named = nodes.count == 1 ? file.tree?["machine", "network", "hostname"]?.text : nil
                let stem = String(file.name.prefix { $0 != "." }) + (nodes.count == 1 ? "" : "-\(index + 1)")
                guard let name = Self.label(named ?? stem) else { continue }
                let isControlPlane = type.map { $0 == "controlplane" } ?? templates.contains { Self.soundsLikeControlPlane($0) }
                machines.append(Machine(name: name, isControlPlane: isControlPlane, address: address))
            }
            if let name = file.tree?["cluster", "clusterName"]?.text {
                cluster(name) { cluster in
                    cluster.members.formUnion(nodes)
                    cluster.endpoint = file.tree?["cluster", "controlPlane", "endpoint"]?.text ?? cluster.endpoint
                }
            }
        }
    }

    private static func list(_ key: String, in line: Substring) -> [String] {
        let start = Array((key + "=[").utf8)
        let bytes = Array(line.utf8)
        guard bytes.count >= start.count, let found = (0...(bytes.count - start.count)).first(where: { bytes[$0...].starts(with: start) })
        else {
            return []
        }
        let inner = bytes[(found + start.count)...].prefix { $0 != UInt8(ascii: "]") }
        return String(decoding: inner, as: UTF8.self).split(separator: ",").map { part in
            String(part.filter { $0 != "\"" && $0 != " " && $0 != "'" })
        }
    }

    /// Omni knows machines by their ids; where they are is only known to Omni.
    mutating func readOmni(_ documents: [HelmValue]) {
        guard let name = documents.first(where: { $0["kind"]?.text == "Cluster" })?["name"]?.text else { return }
        cluster(name)
        for document in documents {
            if let version = document["talos", "version"]?.text { talosVersions.insert(version) }
            guard let kind = document["kind"]?.text, kind == "ControlPlane" || kind == "Workers" else { continue }
            for id in document["machines"]?.texts ?? [] {
                guard let id = Self.label(id) else { continue }
                machines.append(
                    Machine(name: "machine-" + id.prefix(8), cluster: Self.label(name), isControlPlane: kind == "ControlPlane"))
            }
        }
        summary.append("an Omni template names machines by id; their addresses and sizes are unknown")
    }

    /// The same where it becomes a value; `nil` when nothing is left.
    static func plainOrNone(_ text: String) -> String? {
        let text = plain(text)
        return text.contains { !$0.isWhitespace } ? text : nil
    }

    /// For sentences: without control characters, and short.
    static func plain(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }.prefix(80)))
    }
}
