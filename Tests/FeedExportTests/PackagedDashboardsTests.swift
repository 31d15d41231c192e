// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// What packaging/ brings for Prometheus and Grafana must speak of metrics that there are.
@Suite("Alerts and dashboards of the package")
struct PackagedDashboardsTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let rulesFile = root.appendingPathComponent("packaging/prometheus/meshgate.rules.yml")
    private static let boardFile = root.appendingPathComponent("packaging/grafana/meshgate.json")

    private static func words(_ text: String) -> Set<String> {
        Set(text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init).filter { $0.hasPrefix("meshgate_") })
    }

    /// The metrics that the source names.
    private static func known() throws -> Set<String> {
        let room = root.appendingPathComponent("Sources/Coordinator/FeedExport")
        let files = try #require(FileManager.default.enumerator(at: room, includingPropertiesForKeys: nil)).compactMap { $0 as? URL }
        return try files.filter { $0.pathExtension == "swift" }.reduce(into: []) {
            $0.formUnion(words(try String(contentsOf: $1, encoding: .utf8)))
        }
    }

    @Test("they name no metric that the page does not have", arguments: [rulesFile, boardFile])
    func metrics(file: URL) throws {
        let used = Self.words(try String(contentsOf: file, encoding: .utf8))
        #expect(used.count > 8)
        #expect(used.subtracting(try Self.known()).isEmpty)
    }

    @Test("the Grafana dashboard is JSON, each panel with a title, a query and a place of its own")
    func grafana() throws {
        let board = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: Self.boardFile)) as? [String: Any])
        let panels = try #require(board["panels"] as? [[String: Any]])
        #expect(board["uid"] as? String == "meshgate" && panels.count > 10)
        var taken: Set<[Int]> = []
        var ids: Set<Int> = []
        for panel in panels {
            let title = try #require(panel["title"] as? String)
            let id = try #require(panel["id"] as? Int)
            #expect(!title.isEmpty && ids.insert(id).inserted && (panel["targets"] as? [Any])?.isEmpty == false)
            let place = try #require(panel["gridPos"] as? [String: Int])
            let (x, y) = (try #require(place["x"]), try #require(place["y"]))
            let (width, height) = (try #require(place["w"]), try #require(place["h"]))
            #expect(x >= 0 && width > 0 && height > 0 && x + width <= 24, "\(title)")
            for column in x..<x + width { for row in y..<y + height { #expect(taken.insert([column, row]).inserted, "\(title)") } }
        }
    }

    @Test("the dashboard shows what becomes of all that is sent on, and the gates that ask the feed")
    func outward() throws {
        let used = Self.words(try String(contentsOf: Self.boardFile, encoding: .utf8))
        let known = try Self.known().filter { $0.hasPrefix("meshgate_otlp_") }
        #expect(known.count > 4 && known.subtracting(used).isEmpty)
        #expect(try String(contentsOf: Self.boardFile, encoding: .utf8).contains("G-TEL-"))
    }

    @Test("every alert has a test in which it fires, and one in which it stays quiet")
    func tested() throws {
        let tests = Self.rulesFile.deletingLastPathComponent().appendingPathComponent("meshgate.rules.test.yml")
        let text = try String(contentsOf: tests, encoding: .utf8)
        let firing = try #require(text.range(of: "each fault is told"))
        let named = try String(contentsOf: Self.rulesFile, encoding: .utf8).split(separator: "\n").filter { $0.contains("- alert: ") }
            .compactMap {
                $0.split(separator: " ").last
            }
        #expect(named.count > 15)
        for alert in named {
            #expect(text[firing.upperBound...].contains("alertname: \(alert)\n"), "\(alert) never fires in a test")
            #expect(text[..<firing.lowerBound].contains("alertname: \(alert) }"), "\(alert) is not seen to stay quiet")
        }
    }

    @Test(
        "promtool finds the alerts sound, and each of them fires for its fault and for nothing else",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/promtool"), "package prometheus is not installed"),
        arguments: [["check", "rules", "meshgate.rules.yml"], ["test", "rules", "meshgate.rules.test.yml"]])
    func promtool(arguments: [String]) throws {
        let promtool = Process()
        promtool.executableURL = URL(fileURLWithPath: "/usr/bin/promtool")
        promtool.currentDirectoryURL = Self.rulesFile.deletingLastPathComponent()
        promtool.arguments = arguments
        let output = Pipe()
        promtool.standardOutput = output
        promtool.standardError = output
        try promtool.run()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        promtool.waitUntilExit()
        #expect(promtool.terminationStatus == 0, "\(String(decoding: said, as: UTF8.self))")
    }
}
