# frozen_string_literal: true

module RuboCop
  module Cop
    module Homebrew
      # `brew style` of Homebrew 6 accepts `formula_opt_bin("python")`, not `Formula["python"].opt_bin`.
      # Homebrew's own cops need its gems.
      class FormulaPath < Base
        MSG = "Use `formula_%<path>s(%<name>s)`, as Homebrew 6 demands."

        # @!method other_formula(node)
        def_node_matcher :other_formula, "(send (send (const {nil? cbase} :Formula) :[] $_) _)"

        def on_send(node)
          return unless node.method_name.start_with?("opt_")

          other_formula(node) do |name|
            add_offense(node, message: format(MSG, path: node.method_name, name: name.source))
          end
        end
      end
    end
  end
end
