// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@testable import ToolDrivers

@Suite("The hosts that a configuration names")
struct EgressScanTests {
    private let inside = ClusterInside(
        services: ["prometheus.monitoring", "kubernetes.default"], endpoint: HostName("api.mesh.example"),
        ranges: ["10.100.0.0/16", "10.96.0.0/12", "fd00:10::/56"].compactMap(CIDR.init),
        addresses: Set(["192.168.15.21"].compactMap(IPAddress.init)))

    private func hosts(_ take: (inout EgressScan) -> Void) -> [String] {
        var scan = EgressScan(inside: inside)
        take(&scan)
        return scan.hosts.sorted().map(\.description)
    }

    @Test(
        "are found in the settings of real charts",
        arguments: [
            ("WEBSOCKET_RELAY_ADDRESS", "wss://relay.robusta.dev", ["relay.robusta.dev"]),
            ("ROBUSTA_TELEMETRY_ENDPOINT", "https://api.robusta.dev/telemetry", ["api.robusta.dev"]),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "api.honeycomb.io:443", ["api.honeycomb.io"]),
            ("KS_CLOUD_API_URL", "api.armosec.io", ["api.armosec.io"]), ("apiHost", "api.armosec.io/v1", ["api.armosec.io"]),
            ("BROKERS", "a.example.com:9092,b.example.com:9093", ["a.example.com", "b.example.com"]),
            (
                "URLS", "https://a.example.com,https://b.example.com/x;http://c.example.com:80",
                ["a.example.com", "b.example.com", "c.example.com"]
            ),
            ("SHELL", "curl -sf 'https://x.example.com/install' | sh", ["x.example.com"]),
            ("LIST", "[a.example.com:1, \"b.example.com:2\"]", ["a.example.com", "b.example.com"]),
            ("DSN", "user:pw@tcp(db.example.com:3306)/app", ["db.example.com"]),
            ("ENDPOINT", "https://[2001:DB8::7]:4318/v1", ["2001:db8::7"]), ("ENDPOINT", "[2001:db8::7]:4318", ["2001:db8::7"]),
            ("ENDPOINT", "http://192.0.2.9", ["192.0.2.9"]), ("ENDPOINT", "https://BÜCHER.example/", ["xn--bcher-kva.example"]),
        ])
    func found(setting: String, value: String, wanted: [String]) {
        #expect(hosts { $0.take(value, of: setting) } == wanted)
    }

    @Test(
        "are not what belongs to the cluster, nor what only looks like a host",
        arguments: [
            ("URL", "http://prometheus.monitoring:9090"), ("URL", "https://kubernetes.default.svc.cluster.local."),
            ("URL", "https://kubernetes.default.svc"),
            ("URL", "http://otel-collector:4317"), ("HOST", "localhost"), ("URL", "http://127.0.0.1:8080"), ("URL", "http://[::1]:8080"),
            ("URL", "http://10.100.3.4:80"), ("ADDR", "10.96.0.10:53"), ("URL", "http://[fd00:10::9]:80"), ("ADDR", "192.168.15.21:6443"),
            ("URL", "https://API.mesh.example:6443"), ("LISTEN", "0.0.0.0:8080"), ("URL", "http://169.254.169.254/latest"),
            ("IMAGE", "quay.io/kubescape/kubescape:v3.0.1"), ("IMAGE", "gcr.io/a/b@sha256:0123"), ("CLASS", "io.opentelemetry.exporter"),
            ("GROUP", "spdx.softwarecomposition.kubescape.io"), ("FILE", "/etc/config/values.yaml"), ("SERVER_CONFIG", "values.yaml"),
            ("TIME", "12:30"),
            ("NO_PROXY", "corp.example"), ("URL", "https://$(HOST_IP):4317"), ("URL", "https://api.eu.${REGION}.example.com/"),
            ("URL", "https://{{ .Values.host }}/x"), ("URL", "https:///x"), ("URL", "://"), ("URL", "https://%61pi.example.com/"),
            ("V", "1.2.3.4.5:80"),
        ])
    func left(setting: String, value: String) {
        #expect(hosts { $0.take(value, of: setting) }.isEmpty)
    }

    @Test(
        "never carry a user, a password, a token or a path along",
        arguments: [
            ("DATABASE_URL", "postgres://my.user:hunter2@db.example.com:5432/secret.path?token=tok.en", ["db.example.com"]),
            ("DATABASE_URL", "postgres://my.user:p@ss.word@db.example.com/x", ["db.example.com"]),
            ("URL", "https://my.user:12,3@db.example.com/x", ["db.example.com"]),
            ("URL", "https://my.user:12(3@db.example.com/x", ["db.example.com"]),
            ("URL", "https://my.user:12'3@db.example.com/x", ["db.example.com"]), ("URL", "https://my.user:pa/ss.word@db.example.com", []),
            ("DSN", "my.user:1234@db.example.com:3306", ["db.example.com"]), ("API_KEY", "hush.hush.example:1234", []),
            ("TOKEN", "aaa.bbb.ccc", []), ("PASSWORD", "https://hush.example.com", []), ("authPassword", "hush.example.com", []),
            ("TOKEN_URL", "https://sso.example.com/t?client.secret=hush.example", ["sso.example.com"]),
            ("CREDENTIAL_HOST", "hush.example.com", []),
        ])
    func credentials(setting: String, value: String, wanted: [String]) {
        #expect(hosts { $0.take(value, of: setting) } == wanted)
    }

    @Test("flags are read with their values, in one word or in two")
    func arguments() {
        let found = hosts {
            $0.take(arguments: [
                "/bin/agent", "--endpoint=a.example.com", "--server", "b.example.com", "--token", "c.example.com", "--verbose",
                "d.example.com:443",
                "-u=https://e.example.com", "f.example.com", "--set=x=https://g.example.com/y",
            ])
        }
        #expect(found == ["a.example.com", "b.example.com", "d.example.com", "e.example.com", "g.example.com"])
    }

    @Test("files are read by their keys, comments left out")
    func files() {
        let yaml = """
            # https://docs.example.com/how-to
            exporters:
              otlp/honeycomb:
                endpoint: api.honeycomb.io:443
                headers:
                  x-honeycomb-team: hush.hush.hush
            brokers:
              - kafka.example.com
              - url: https://b.example.com/x
            apiVersion: kubescape.io/v1
            password: hush.example.com
            // https://comment.example.com
            remote = "c.example.com"
            """
        #expect(
            hosts { $0.take(file: yaml, named: "config.yaml") } == [
                "api.honeycomb.io", "b.example.com", "c.example.com", "kafka.example.com",
            ])
        let json =
            #"{"response":{"api-server":"api.armosec.io","accessKey":"hush.example.com","list":["https://report.armo.cloud"]},"kind":"a.b.c"}"#
        #expect(hosts { $0.take(file: json, named: "services") } == ["api.armosec.io", "report.armo.cloud"])
        #expect(hosts { $0.take(file: "a.example.com", named: "server-url") } == ["a.example.com"])
        #expect(hosts { $0.take(file: "{ not json\nendpoint: https://a.example.com", named: "x") } == ["a.example.com"])
    }

    @Test("hostile values cost little, and nothing of them is kept that is no host")
    func hostile() {
        let long = String(repeating: "a.", count: 30_000)
        let clock = ContinuousClock()
        let took = clock.measure {
            for value in [
                long, "https://" + long, String(repeating: "https://", count: 5_000), String(repeating: "@", count: 30_000),
                "https://" + String(repeating: "@", count: 30_000) + "a.example.com", String(repeating: "[", count: 30_000) + ":1",
                String(repeating: "x.example.com:1,", count: 5_000), String(repeating: "\u{0301}", count: 5_000),
                String(repeating: "a:1=", count: 5_000),
            ] {
                let found = hosts {
                    $0.take(value, of: "ENDPOINT")
                    $0.take(file: value, named: "f")
                    $0.take(arguments: [value, "--url", value])
                }
                #expect(Set(found).isSubset(of: ["a.example.com", "x.example.com"]), "\(found.prefix(2))")
            }
        }
        // A debug build on a busy machine; what grows with the square would take hours.
        #expect(took < .seconds(60))
        for value in [
            "https://a.exa\u{1B}[31mmple.com", "https://a.exa\u{202E}mple.com/", "https://a.exa\u{200B}mple.com",
            "https://a\u{0}b.example.com",
        ] {
            #expect(
                hosts { $0.take(value, of: "URL") }.allSatisfy {
                    !$0.contains("\u{1B}") && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) }
                })
        }
        #expect(hosts { $0.take("https://paypаl.example", of: "URL") } == ["xn--paypl-7ve.example"])
    }

    @Test("whatever surrounds it, a marked secret is never part of what is found")
    func leaks() {
        var generator = SplitMix(seed: 4)
        let pieces = [
            "https://", "user", ":", "@", "hush", "hush.hush", "hush:99", "/", "?", "#", ",", ";", "=", "\\", "(", ")", "'",
            "a.example.com", ":443", "[", "]",
            "2001:db8::1", "&", "$", "%40", "ü",
        ]
        for _ in 0..<20_000 {
            let password = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
                ["hush", ".", ":", ",", ";", "(", ")", "'", "@", "=", "!", "$", "[", "1", "|", "{"].randomElement(using: &generator) ?? ""
            }.joined()
            // User and password as RFC 3986 has them, and in front of and behind it whatever comes.
            let tail = (0..<Int.random(in: 0...3, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
                .replacing("hush", with: "x").replacing("@", with: "")
            let value = "https://us.er:\(password)@a.example.com/" + tail
            let found = hosts { $0.take(value, of: ["URL", "X", "DSN"].randomElement(using: &generator) ?? "") }
            #expect(!found.contains { $0.contains("hush") || $0.contains("us.er") }, "\(value): \(found)")
            #expect(found.contains("a.example.com"), "\(value): \(found)")
        }
    }
}
