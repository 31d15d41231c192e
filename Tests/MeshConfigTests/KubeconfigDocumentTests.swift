// SPDX-License-Identifier: Apache-2.0

import MeshConfig
import MeshTesting
import Testing

@Suite("Merging kubeconfigs and talosconfigs")
struct KubeconfigDocumentTests {
    /// A kubeconfig of one context, as tools make them.
    private func config(_ name: String, ca: String, server: String = "https://10.0.0.1:6443", user: String? = nil, key: String = "a2V5")
        -> String
    {
        """
        apiVersion: v1
        kind: Config
        clusters:
        - name: \(name)
          cluster: {server: "\(server)", certificate-authority-data: \(ca)}
        users:
        - name: \(user ?? "admin@" + name)
          user: {client-certificate-data: Y2VydA==, client-key-data: \(key)}
        contexts:
        - name: \(name)
          context: {cluster: \(name), user: \(user ?? "admin@" + name), namespace: default}
        current-context: \(name)
        """
    }

    private func document(_ text: String) throws -> KubeconfigDocument { try KubeconfigDocument(parsing: text, file: "test") }

    private func contexts(_ document: KubeconfigDocument) throws -> [String: Kubeconfig.Context] {
        let found = try Kubeconfig(parsing: document.text(), file: "test").contexts
        return Dictionary(uniqueKeysWithValues: found.map { ($0.name, $0) })
    }

    @Test("into nothing, the first context becomes the current one; into something, the current one stays")
    func current() throws {
        var target = try document("")
        let done1 = try target.merge(document(config("east", ca: "QQ==")))
        #expect(done1 == [MergedContext(source: "east", name: "east", replaced: false)])
        #expect(target.current == "east")
        let done2 = try target.merge(document(config("west", ca: "Qg==")))
        #expect(done2.map(\.name) == ["west"])
        #expect(target.current == "east")
        #expect(target.contextNames == ["east", "west"])
    }

    @Test("the same name and the same cluster is a renewal, in place")
    func renewal() throws {
        var target = try document(config("east", ca: "QQ==", key: "b2xk"))
        let merged = target.merge(try document(config("east", ca: "QQ==", server: "https://10.0.0.9:6443", key: "bmV3")))
        #expect(merged == [MergedContext(source: "east", name: "east", replaced: true)])
        let found = try contexts(target)
        #expect(found.count == 1)
        #expect(found["east"]?.server == "https://10.0.0.9:6443")
        #expect(found["east"]?.clientKey == .data("bmV3"))
    }

    @Test("the same name and another cluster gets another name, and the same one the next time")
    func collision() throws {
        var target = try document(config("default", ca: "QQ=="))
        let other = try document(config("default", ca: "Qg==", key: "b25l"))
        let done3 = target.merge(other)
        #expect(done3 == [MergedContext(source: "default", name: "default-2", replaced: false)])
        let done4 = try target.merge(document(config("default", ca: "Qw==")))
        #expect(done4.map(\.name) == ["default-3"])
        let renewed = try document(config("default", ca: "Qg==", key: "dHdv"))
        let done5 = target.merge(renewed)
        #expect(done5 == [MergedContext(source: "default", name: "default-2", replaced: true)])
        let found = try contexts(target)
        #expect(found["default"]?.authority == .data("QQ=="))
        #expect(found["default"]?.clientKey == .data("a2V5"))
        #expect(found["default-2"]?.authority == .data("Qg=="))
        #expect(found["default-2"]?.clientKey == .data("dHdv"))
        #expect(found["default-3"]?.authority == .data("Qw=="))
    }

    @Test("a user that another context shares is not changed under it")
    func sharedUser() throws {
        var target = try document(
            """
            clusters: [{name: a, cluster: {server: "https://a", certificate-authority-data: QQ==}}, {name: b, cluster: {server: "https://b"}}]
            users: [{name: me, user: {token: old}}]
            contexts: [{name: east, context: {cluster: a, user: me}}, {name: other, context: {cluster: b, user: me}}]
            """)
        _ = target.merge(
            try document(
                """
                clusters: [{name: x, cluster: {server: "https://a", certificate-authority-data: QQ==}}]
                users: [{name: me, user: {token: new}}]
                contexts: [{name: east, context: {cluster: x, user: me}}]
                """))
        let found = try contexts(target)
        #expect(found["east"]?.token == "new")
        #expect(found["other"]?.token == "old")
    }

    @Test("texts that look like numbers or booleans stay texts")
    func scalars() throws {
        var target = try document(
            """
            clusters: [{name: "1", cluster: {server: "https://a"}}]
            users: [{name: 'true', user: {token: "0123", username: ~}}]
            contexts: [{name: "0x10", context: {cluster: "1", user: 'true', namespace: "null"}}]
            preferences: {colors: true, number: 10}
            extra: |
              block
              text
            """)
        _ = target.merge(try document(config("12", ca: "QQ==")))
        let again = try document(target.text())
        #expect(again.contextNames == ["0x10", "12"])
        let found = try contexts(again)
        #expect(found["0x10"]?.token == "0123")
        let text = try again.text()
        #expect(text.contains("colors: true"))
        #expect(text.contains("namespace: \"null\""))
        #expect(text.contains("block\n"))
    }

    @Test("a context is taken out with what it alone uses")
    func remove() throws {
        var target = try document(config("east", ca: "QQ==", user: "me"))
        _ = target.merge(try document(config("west", ca: "Qg==", user: "me")))
        let done9 = target.remove(context: "nobody")
        #expect(done9 == false)
        let done10 = target.remove(context: "east")
        #expect(done10)
        #expect(target.contextNames == ["west"])
        #expect(target.current == nil)
        #expect(try contexts(target)["west"]?.clientKey == .data("a2V5"))
        #expect(try !target.text().contains("QQ=="))
        let done11 = target.remove(context: "west")
        #expect(done11)
        #expect(try !target.text().contains("a2V5"))
    }

    @Test("a pin stays with its cluster through a renewal, and beside foreign extensions")
    func pins() throws {
        var target = try document(
            """
            clusters: [{name: east, cluster: {server: "https://a", certificate-authority-data: QQ==, extensions: [{name: other, extension: {a: 1}}]}}]
            contexts: [{name: east, context: {cluster: east, user: ""}}]
            """)
        #expect(target.pin(of: "east") == nil)
        let pin = KubeconfigDocument.Pin(apiCA: "00ff", systemUID: "12345")
        target.setPin(pin, of: "east")
        target.setPin(pin, of: "east")
        _ = target.merge(try document(config("east", ca: "QQ==")))
        let again = try document(target.text())
        #expect(again.pin(of: "east") == pin)
        #expect(try again.text().contains("name: other"))
        #expect(again.pin(of: "west") == nil)
    }

    @Test(
        "what is no kubeconfig is refused, and aliases that multiply",
        arguments: [
            "- a", "text", "clusters: {a: 1}", "contexts: [1]", "contexts: [{name: a}]", "users: [{user: {}}]", "a: [", "a: 1\na: 2",
            "a0: &a0 [x]\n"
                + (1...9).map { "a\($0): &a\($0) [" + Array(repeating: "*a\($0 - 1)", count: 10).joined(separator: ", ") + "]\n" }.joined(),
        ])
    func refused(_ text: String) {
        #expect(throws: Kubeconfig.Fault.self) { try KubeconfigDocument(parsing: text, file: "test") }
    }

    // MARK: any files

    /// A kubeconfig of a few contexts, with names and contents that often meet those of another.
    private func random(_ random: inout SplitMix) -> String {
        let names = ["default", "east", "west", "kubernetes", "default-2", "1", "true"]
        func pick() -> String { names[Int.random(in: 0..<names.count, using: &random)] }
        var (clusters, users, contexts): ([String: String], [String: String], [String: String]) = ([:], [:], [:])
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let (cluster, user) = (pick(), pick())
            let ca = ["QQ==", "Qg==", "Qw=="][Int.random(in: 0..<3, using: &random)]
            let server = "https://\(Int.random(in: 1...3, using: &random))"
            if clusters[cluster] == nil {
                clusters[cluster] =
                    Bool.random(using: &random) ? "{server: \"\(server)\", certificate-authority-data: \(ca)}" : "{server: \"\(server)\"}"
            }
            if users[user] == nil { users[user] = "{token: \"\(Int.random(in: 0..<1000, using: &random))\"}" }
            let context = pick()
            if contexts[context] == nil { contexts[context] = "{cluster: \"\(cluster)\", user: \"\(user)\", namespace: \"\(pick())\"}" }
        }
        func list(_ key: String, _ kind: String, _ entries: [String: String]) -> String {
            "\(key):\n" + entries.sorted { $0.key < $1.key }.map { "- name: \"\($0.key)\"\n  \(kind): \($0.value)\n" }.joined()
        }
        return list("clusters", "cluster", clusters) + list("users", "user", users) + list("contexts", "context", contexts)
    }

    @Test(
        "whatever is merged, foreign contexts mean what they meant, and every newcomer means what it meant in its source",
        arguments: 0..<300)
    func anything(_ seed: Int) throws {
        var generator = SplitMix(seed: UInt64(seed))
        var target = try document(random(&generator))
        for _ in 0..<3 {
            let before = try contexts(target)
            let source = try document(random(&generator))
            let incoming = try contexts(source)
            let merged = target.merge(source)
            let after = try contexts(target)
            #expect(Set(merged.map(\.source)) == Set(incoming.keys))
            #expect(Set(merged.map(\.name)).count == merged.count)
            let touched = Set(merged.map(\.name))
            for (name, context) in before where !touched.contains(name) { #expect(after[name] == context, "\(name)") }
            for item in merged {
                if !item.replaced { #expect(before[item.name] == nil) }
                let (new, meant) = (try #require(after[item.name]), try #require(incoming[item.source]))
                #expect(new.token == meant.token && new.server == meant.server)
                #expect(new.authority == meant.authority || meant.authority == nil)
            }
        }
        let names = target.contextNames
        let victim = names[Int.random(in: 0..<names.count, using: &generator)]
        let before = try contexts(target)
        let done12 = target.remove(context: victim)
        #expect(done12)
        let after = try contexts(target)
        #expect(after[victim] == nil)
        for (name, context) in before where name != victim { #expect(after[name] == context, "\(name)") }
    }

    // MARK: talosconfigs

    @Test("talosconfigs follow the same rules")
    func talos() throws {
        func talos(_ name: String, _ ca: String, _ key: String) throws -> TalosconfigDocument {
            try TalosconfigDocument(
                parsing:
                    "context: \(name)\ncontexts:\n  \(name):\n    endpoints: [10.0.0.1]\n    ca: \(ca)\n    crt: Y3J0\n    key: \(key)\n",
                file: "test")
        }
        var target = try TalosconfigDocument(parsing: "", file: "test")
        let done6 = try target.merge(talos("east", "QQ==", "b25l"))
        #expect(done6.map(\.name) == ["east"])
        let done7 = try target.merge(talos("east", "Qg==", "dHdv"))
        #expect(done7.map(\.name) == ["east-2"])
        let done8 = try target.merge(talos("east", "QQ==", "dGhyZWU="))
        #expect(done8 == [MergedContext(source: "east", name: "east", replaced: true)])
        #expect(target.contextNames == ["east", "east-2"])
        let text = try target.text()
        #expect(!text.contains("b25l") && text.contains("dHdv") && text.contains("dGhyZWU="))
        #expect(text.contains("context: \"east\""))
        #expect(target.authority(of: "east-2") == "Qg==")
        let done13 = target.remove(context: "east")
        #expect(done13)
        #expect(target.contextNames == ["east-2"])
        let done14 = target.remove(context: "east")
        #expect(done14 == false)
        #expect(throws: Kubeconfig.Fault.self) { try TalosconfigDocument(parsing: "contexts: [a]", file: "test") }
    }
}
