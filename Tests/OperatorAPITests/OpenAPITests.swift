// SPDX-License-Identifier: Apache-2.0

import Foundation
import OperatorAPI
import Testing

@Suite("docs/openapi.yaml")
struct OpenAPITests {
    /// Method and path of each operation, read from the indentation of the `paths` section.
    private func operations() throws -> Set<String> {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("docs/openapi.yaml"), encoding: .utf8)
        var found: Set<String> = []
        var path = ""
        var isInPaths = false
        for line in text.split(separator: "\n") {
            if !line.hasPrefix(" ") { isInPaths = line == "paths:" }
            guard isInPaths else { continue }
            if line.hasPrefix("  /"), line.hasSuffix(":") { path = String(line.dropFirst(2).dropLast()) }
            for method in ["get", "post", "put", "patch", "delete"] where line == "    \(method):" {
                found.insert("\(method.uppercased()) \(path)")
            }
        }
        return found
    }

    @Test("every route is described, and nothing else is")
    func routes() throws {
        let served = Set(OperatorRoute.allCases.map { "\($0.method.rawValue) \($0.path)" })
        #expect(try operations() == served)
    }
}
