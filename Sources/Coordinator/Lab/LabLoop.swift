// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A loop device of the machine and the image behind it.
package struct LabLoop: Hashable, Sendable {
    /// `loop3`.
    package let name: String
    package let major: UInt32
    package let minor: UInt32
    package let image: String
    package var path: String { "/dev/\(name)" }

    /// Every attached loop device whose image is below `directory`: after a kill this finds even those that nobody noted.
    package static func all(below directory: String) -> [LabLoop] {
        LabFiles.names(in: "/sys/block").filter { $0.hasPrefix("loop") }.compactMap { name in
            guard var image = LabFiles.text("/sys/block/\(name)/loop/backing_file"), let numbers = LabFiles.text("/sys/block/\(name)/dev")
            else { return nil }
            if image.hasSuffix(" (deleted)") { image.removeLast(" (deleted)".count) }
            let parts = numbers.split(separator: ":").compactMap { UInt32($0) }
            guard image.hasPrefix(directory + "/"), parts.count == 2 else { return nil }
            return LabLoop(name: name, major: parts[0], minor: parts[1], image: image)
        }
    }

    /// Attaches an image to the next free loop device.
    static func attach(_ image: String, with tools: LabTools) async throws -> LabLoop {
        let output = try await tools.run("losetup", ["--find", "--show", image])
        let name = output.split(separator: "\n").last?.split(separator: "/").last.map(String.init) ?? ""
        let directory = image.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        guard let loop = all(below: directory).first(where: { $0.name == name && $0.image == image })
        else { throw LabError.unexpected(doing: "attach \(image) to a loop device", found: output) }
        return loop
    }

    /// Lets the image go. Still open elsewhere means that the kernel does it at the last close.
    func detach(with tools: LabTools) async throws { try await tools.run("losetup", ["--detach", path]) }
}
