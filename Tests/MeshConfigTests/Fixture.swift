// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshConfig
import Testing

/// The text of a file in Fixtures.
func fixture(_ name: String) throws -> String {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: nil))
    return try String(contentsOf: url, encoding: .utf8)
}

/// What is wrong with a text, as an admin sees it; empty when it reads.
func faults(in text: String) -> [String] {
    do throws(MeshFaults) {
        _ = try readMesh(text: text, file: "mesh.yaml")
        return []
    } catch {
        return error.faults.map(\.description)
    }
}
