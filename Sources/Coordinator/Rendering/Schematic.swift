// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What the Image Factory is asked to make. Its id is the SHA-256 of its one canonical text, so that it can be known without asking.
package struct Schematic: Hashable, Sendable {
    package var kernelArguments: [String]
    package var extensions: [String]

    package init(kernelArguments: [String] = [], extensions: [String] = []) {
        self.kernelArguments = kernelArguments
        self.extensions = extensions
    }

    package init(_ talos: MeshSpec.Talos) { self.init(kernelArguments: talos.kernelArguments, extensions: talos.extensions) }

    /// As the factory's own YAML library writes it: four spaces a level, absent parts left out. `mesh.yaml` lets no argument or name through
    /// that this library would put in quotes.
    package var text: String {
        guard !kernelArguments.isEmpty || !extensions.isEmpty else { return "customization: {}\n" }
        var text = "customization:\n"
        if !kernelArguments.isEmpty {
            text += "    extraKernelArgs:\n" + kernelArguments.map { "        - \($0)\n" }.joined()
        }
        if !extensions.isEmpty {
            text += "    systemExtensions:\n        officialExtensions:\n" + extensions.map { "            - \($0)\n" }.joined()
        }
        return text
    }

    package func id(_ digest: Digester) -> String { digest(Array(text.utf8)).hex }
}

extension MeshSpec.Talos {
    /// The image that installs this Talos and every later one: an upgrade with another would drop the extensions.
    package func installImage(_ version: SemanticVersion, digest: Digester) -> String {
        if let installer { return "\(installer):v\(version)" }
        // Before 1.10 there was one installer for all platforms.
        let name = version < SemanticVersion(1, 10, 0) ? "installer" : "\(platform.rawValue)-installer"
        return "factory.talos.dev/\(name)/\(Schematic(self).id(digest)):v\(version)"
    }
}
