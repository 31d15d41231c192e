// SPDX-License-Identifier: Apache-2.0

/// An address as `-target` takes it: a module, a resource or one instance. It covers everything below it, as Terraform itself reads it.
struct TerraformAddress: Hashable, Sendable, CustomStringConvertible {
    let text: String

    init(_ text: String) { self.text = text }

    /// `module.east` covers `module.east.null_resource.a[0]`, and not `module.eastern`.
    func covers(_ address: String) -> Bool {
        guard address.hasPrefix(text) else { return false }
        guard let next = address.utf8.dropFirst(text.utf8.count).first else { return true }
        return next == UInt8(ascii: ".") || next == UInt8(ascii: "[")
    }

    var description: String { text }
}
