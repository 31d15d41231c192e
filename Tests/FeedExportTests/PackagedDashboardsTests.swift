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
        var places: Set<String> = []
        for panel in panels {
            #expect((panel["title"] as? String)?.isEmpty == false && (panel["targets"] as? [Any])?.isEmpty == false)
            let place = try #require(panel["gridPos"] as? [String: Int])
            #expect(places.insert("\(place["x"] ?? -1),\(place["y"] ?? -1)").inserted)
            #expect((place["x"] ?? 0) + (place["w"] ?? 0) <= 24)
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
