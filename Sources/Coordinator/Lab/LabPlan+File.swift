// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

extension LabPlan {
    /// Reads the plan that `up` left in a lab's directory.
    package static func load(_ paths: LabPaths) throws -> LabPlan {
        guard let bytes = LabFiles.bytes(paths.plan) else {
            throw LabError.unexpected(doing: "read \(paths.plan)", found: "no readable file; is this a lab's directory?")
        }
        do {
            return try JSONDecoder().decode(LabPlan.self, from: Data(bytes))
        } catch {
            throw LabError.unexpected(doing: "read \(paths.plan)", found: "\(error)")
        }
    }

    func save(_ paths: LabPaths) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try LabFiles.write(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: paths.plan)
    }
}
