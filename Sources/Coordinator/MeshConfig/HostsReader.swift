// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// `hosts` of a cluster: what its machines have to be, and what they need from outside.
struct HostsReader {
    let log: FaultLog

    func read(_ cluster: Section) -> MeshSpec.Hosts? {
        guard let section = cluster.section("hosts", keys: ["processor", "packetFilter", "names", "timeServers", "registries"]) else {
            return nil
        }
        let names = section.list("names", Form<HostName>.value) ?? []
        let servers = section.list("timeServers", Form<HostName>.value) ?? []
        let registries = section.list("registries", Form<OutsideTarget>.registry) ?? []
        let outside = names.map { OutsideTarget(.name, $0) } + servers.map { OutsideTarget(.time, $0) } + registries
        for (index, target) in outside.enumerated() where outside[..<index].contains(target) {
            log.add(section.place, "\(section.title) names \(target) twice")
        }
        return MeshSpec.Hosts(
            processorLevel: section.optional("processor", .processorLevel), packetFilter: section.optional("packetFilter", .bool) ?? false,
            outside: outside)
    }
}

extension Form where Value == Int {
    /// As images say what they are built for.
    fileprivate static var processorLevel: Self {
        let words = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
        return Form(
            wanted: "x86-64-v2, x86-64-v3 or x86-64-v4", parse: { text, _ in words.firstIndex(of: text).map { $0 + 2 } }, words: words)
    }
}

extension Form where Value == OutsideTarget {
    /// Where images come from; HTTPS' port unless another is named.
    fileprivate static var registry: Self {
        Form(wanted: "a registry such as quay.io or mirror.example:5000, without scheme and path") { text, _ in
            if let host = HostName(text) { return OutsideTarget(.registry, host, port: 443) }
            guard let colon = text.lastIndex(of: ":"), let host = HostName(String(text[..<colon])),
                let port = decimal(String(text[text.index(after: colon)...])).flatMap({ UInt16(exactly: $0) }), port > 0
            else { return nil }
            return OutsideTarget(.registry, host, port: port)
        }
    }
}
