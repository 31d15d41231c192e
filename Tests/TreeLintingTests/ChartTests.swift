// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshModel
import MeshSystem
import MeshTesting
import Testing

@testable import TreeLinting

@Suite("Helm values against a chart")
struct ChartTests {
    /// A small chart of our own, with what real ones have: defaults, a schema, templates, a part of its own.
    static func files(version: String = "1.18.5") -> [String: String] {
        [
            "Chart.yaml": "name: cilium\nversion: \(version)\ndependencies:\n  - name: part\n    condition: part.enabled\n",
            "values.yaml": """
            cluster:
              name: default
              id: 0
            clustermesh:
              useAPIServer: false
              apiserver:
                service:
                  type: NodePort
                  annotations: {}
            operator:
              replicas: 2
            devices: ""
            securityContext:
              capabilities:
                ciliumAgent:
                  - CHOWN
                  - NET_ADMIN
                  - SYSLOG
                  - SYS_MODULE
            """,
            "values.schema.json": """
            {"type": "object", "properties": {
              "operator": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
              "extraConfig": {"type": "object"},
              "devices": {"type": ["array", "string"]},
              "closed": {"type": "object", "properties": {"a": {"type": "boolean"}}, "additionalProperties": false}}}
            """,
            "templates/service.yaml": """
            port: {{ .Values.clustermesh.apiserver.service.nodePort | default 32379 }}
            {{- with .Values.tolerations }}{{ toYaml . }}{{ end }}
            {{ index .Values "index" "path" }} {{ $.Values.dollar.path }}
            """,
            "charts/part/values.yaml": "x: 1\n",
            "charts/part/templates/a.yaml": "{{ .Values.inner.key }}",
        ]
    }

    static func chart(version: String = "1.18.5") throws -> HelmChart {
        try #require(HelmChart(files: files(version: version), yaml: yaml))
    }

    private func findings(_ settings: String..., version: String = "1.18.5", charts: [HelmChart]? = nil) throws -> [String] {
        let text = "#!/bin/bash\ncilium install --version \(version) --context x \\\n" + settings.joined(separator: " \\\n") + "\n"
        let tree = SourceTree(files: [SourceTree.File(path: "a.sh", text: text)])
        return lint(tree, charts: try charts ?? [Self.chart()], yaml: yaml).map { "\($0.line) \($0.rule) \($0.message)" }
    }

    @Test(
        "keys of the defaults, of the schema and of templates are known",
        arguments: [
            "cluster.id=1", "clustermesh.apiserver.service.nodePort=32001", "clustermesh.apiserver.service.annotations.x=y",
            "tolerations[0].key=a",
            "index.path=1", "dollar.path=1", "part.inner.key=1", "part.x=2", "part.enabled=true", "extraConfig.any.thing=1",
            "closed.a=true",
            "operator.replicas=2", "clustermesh.useAPIServer=true",
        ])
    func known(_ setting: String) throws {
        #expect(try findings("--set \(setting)") == [])
    }

    @Test("a key that nothing reads is told with what was meant, on its line")
    func unread() throws {
        #expect(
            try findings("--set cluster.id=1", "--set clustermesh.apiserver.service.nodeport.port=32001") == [
                "4 L-HELM-1 chart 1.18.5 never reads \"clustermesh.apiserver.service.nodeport.port\"; "
                    + "did you mean \"clustermesh.apiserver.service.nodePort\"? It would be ignored without any warning"
            ])
        #expect(try findings("--set closed.b=1").map { $0.prefix(10) } == ["3 L-HELM-1"])
        #expect(try findings("--set zzzzzzzzzzzzzz=1").first?.contains("never reads \"zzzzzzzzzzzzzz\". It would") == true)
    }

    @Test("a key that only another release of the chart has was removed")
    func removed() throws {
        var old = Self.files(version: "1.17.0")
        old["values.yaml"]? += "\ngone:\n  key: 1\n"
        let charts = [try Self.chart(), try #require(HelmChart(files: old, yaml: yaml))]
        #expect(try findings("--set gone.key=2", charts: charts) == ["3 L-HELM-3 \"gone.key\" was removed in chart 1.18.5; drop it"])
    }

    @Test("a type that the schema does not allow is told")
    func types() throws {
        #expect(try findings("--set operator.replicas=two") == ["3 L-HELM-2 \"operator.replicas\" wants integer, got two"])
        #expect(try findings("--set devices={a,b}").filter { $0.contains("HELM") } == [])
        #expect(try findings("--set operator.replicas=${N}") == [])
    }

    @Test("values files and settings in Terraform are judged too, each at its place")
    func otherPlaces() throws {
        let tree = SourceTree(files: [
            SourceTree.File(
                path: "bin/a.sh",
                text: "#!/bin/bash\nhelm upgrade --install c cilium/cilium --version 1.18.5 --kube-context x -f ../values.yaml\n"),
            SourceTree.File(path: "values.yaml", text: "cluster:\n  idd: 1\noperator:\n  replicas: \"2\"\n"),
            SourceTree.File(
                path: "m.tf",
                text: """
                    terraform {
                      required_providers {
                        helm = { source = "hashicorp/helm" }
                      }
                    }
                    resource "helm_release" "c" {
                      chart   = "cilium"
                      version = "1.18.5"
                      set = [{
                        name  = "cluster.nam"
                        value = "x"
                      }]
                      values = [yamlencode({ operator = { replica = 1 } }), <<EOT
                    devices: true
                    EOT
                      ]
                    }
                    """),
        ])
        let found = lint(tree, charts: [try Self.chart()], yaml: yaml).filter { $0.rule.hasPrefix("L-HELM") }
            .map { "\($0.file):\($0.line) \($0.rule)" }
        #expect(found == ["m.tf:10 L-HELM-1", "m.tf:13 L-HELM-1", "m.tf:14 L-HELM-2", "values.yaml:2 L-HELM-1", "values.yaml:4 L-HELM-2"])
    }

    @Test("what a template asks for by name is read, and what it takes as a whole is read with everything in it")
    func templates() {
        let read = ValuesRead(
            """
            {{ if and .Values.a.on (hasKey .Values.b "c") }}{{ end }} .Values.not.this {{- with $.Values.d.e }}
            {{ index .Values "f" "g" }} {{ toYaml .Values.h | nindent 2 }} {{ $x := .Values.i }} {{ .Values.open
            """)
        #expect(read.named == ["a.on", "b.c", "f.g", "open"])
        #expect(read.whole == ["d.e", "h", "i"])
    }

    @Test("values of the mesh file are judged too, each at its key")
    func meshFile() throws {
        var spec = makeLargeMesh(clusters: 1, nodesPerCluster: 1).spec
        spec.clusters[0].cilium.values = [
            "operator": .map(["replicas": .string("2"), "replica": .integer(1)]), "cluster.idd": .integer(1),
            "devices": .list([.string("a")]),
        ]
        let found = lintValues(spec, charts: [try Self.chart()]).map { "\($0.path) \($0.rule)" }
        let values = "spec.clusters[0].cilium.values"
        #expect(found == ["\(values).cluster.idd L-HELM-1", "\(values).operator.replica L-HELM-1", "\(values).operator.replicas L-HELM-2"])
        #expect(lintValues(spec, charts: []) == [])
    }

    @Test("capabilities are compared with the chart's own list")
    func capabilities() throws {
        let found = try findings("--set securityContext.capabilities.ciliumAgent={CHOWN,SYS_MODULE}")
        #expect(found.map { $0.prefix(9) } == ["3 L-CAP-1", "3 L-CAP-1"])
        #expect(found.contains { $0.hasSuffix("of Cilium 1.18.5; missing NET_ADMIN, SYSLOG") })
        #expect(try findings("--set securityContext.capabilities.ciliumAgent={CHOWN,NET_ADMIN,SYSLOG}") == [])
    }

    @Test("without kube-proxy the agent needs an address for the API server")
    func apiAddress() throws {
        #expect(try findings("--set kubeProxyReplacement=true", charts: []).map { $0.prefix(9) } == ["3 L-KPR-2"])
        #expect(try findings("--set kubeProxyReplacement=true,k8sServiceHost=localhost,k8sServicePort=7445", charts: []) == [])
    }

    @Test("files that could not be read are findings")
    func unreadFiles() {
        let tree = SourceTree(files: [], unread: [SourceTree.Unread(path: "big.tf", why: "it has 9 bytes too many")])
        let found = lint(tree, yaml: yaml)
        #expect(found.map { "\($0.file):\($0.line) \($0.rule) \($0.severity)" } == ["big.tf:1 L-READ-1 warning"])
    }

    @Test("nothing but a Chart.yaml with name and version makes a chart")
    func broken() {
        #expect(HelmChart(files: ["values.yaml": "a: 1"], yaml: yaml) == nil)
        #expect(HelmChart(files: ["Chart.yaml": "{{{"], yaml: yaml) == nil)
        #expect(HelmChart(files: ["Chart.yaml": "name: x\n"], yaml: yaml) == nil)
    }
}

@Suite("tar archives")
struct TarArchiveTests {
    /// One member as `tar --format=ustar` writes it.
    static func member(_ path: String, _ content: String, type: Character = "0", size: Int? = nil) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) { for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte } }
        let bytes = Array(content.utf8)
        put(path, at: 0)
        put("0000644", at: 100)
        let digits = String(size ?? bytes.count, radix: 8)
        put(String(repeating: "0", count: 11 - digits.count) + digits, at: 124)
        put("        ", at: 148)
        put(String(type), at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        let sum = header.reduce(0) { $0 + Int($1) }
        let octal = String(sum, radix: 8)
        put(String(repeating: "0", count: 6 - octal.count) + octal + "\u{0} ", at: 148)
        return header + bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }

    static let end = [UInt8](repeating: 0, count: 1024)

    @Test("files are read, directories and links are left out, long names in both forms are taken")
    func members() throws {
        let long = String(repeating: "d/", count: 80) + "f"
        let record = " path=\(long)\n"
        let length = record.utf8.count + 3
        let bytes =
            Self.member("a/", "", type: "5") + Self.member("a/b", "hello") + Self.member("a/l", "", type: "2")
            + Self.member("x", long, type: "L") + Self.member("short", "gnu") + Self.member("y", "\(length)\(record)", type: "x")
            + Self.member("short", "pax") + Self.end
        let entries = try TarArchive.read(bytes)
        #expect(entries.map(\.path) == ["a/b", long, long])
        #expect(entries.map { String(decoding: $0.bytes, as: UTF8.self) } == ["hello", "gnu", "pax"])
    }

    @Test("damage, endings and crowds are refused")
    func refusals() {
        #expect(throws: TarArchive.Fault.notTar) { try TarArchive.read([UInt8](repeating: 7, count: 1024)) }
        #expect(throws: TarArchive.Fault.truncated("big")) { try TarArchive.read(Self.member("big", "x", size: 1 << 30) + Self.end) }
        let many = (0..<5).flatMap { Self.member("f\($0)", "x") } + Self.end
        #expect(throws: TarArchive.Fault.tooMany(limit: 4)) { try TarArchive.read(many, mostFiles: 4) }
        #expect((try? TarArchive.read([]))?.isEmpty == true)
    }

    @Test("random damage is read or refused, and never more than there is")
    func damage() {
        var random = SplitMix(seed: 11)
        let good =
            Self.member("a/b", "hello") + Self.member("x", "long/name", type: "L") + Self.member("c", "12 path=zz\n", type: "x")
            + Self.member("d", "e") + Self.end
        for _ in 0..<2000 {
            var bytes = good
            for _ in 0..<3 { bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next()) }
            bytes.removeLast(Int(random.next() % UInt64(bytes.count)))
            let entries = (try? TarArchive.read(bytes)) ?? []
            #expect(entries.reduce(0) { $0 + $1.bytes.count } <= bytes.count)
        }
    }
}
