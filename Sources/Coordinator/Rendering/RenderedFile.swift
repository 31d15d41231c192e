// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// One file that a spec makes for another tool.
package struct RenderedFile: Hashable, Sendable {
    /// How it is written.
    package enum Form: Hashable, Sendable {
        /// YAML documents, one after the other.
        case yaml([HelmValue])
        /// One JSON document.
        case json(HelmValue)
        /// A text whose bytes matter.
        case text(String)
    }
    /// Relative to the directory that all are written to.
    package let path: String
    package let form: Form
    /// For its owner's eyes only, because a join token is in it.
    package let isSecret: Bool

    package init(path: String, form: Form, isSecret: Bool = false) {
        self.path = path
        self.form = form
        self.isSecret = isSecret
    }
}
