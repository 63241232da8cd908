package runbook

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

// modes are the ways in which a failover can be run; kinds what a run can be for.
var (
	modes = []string{"planned", "unplanned"}
	kinds = []string{string(incident.Failover), string(incident.Failback), string(incident.RestoreBackup), string(incident.MoveServers), string(incident.RebuildStandby)}
)

// A condition looks at a handful of facts; this many steps of evaluation are far
// more than an honest one takes.
const conditionCost = 10_000

// environment is made once: it is immutable, safe to share, and takes a while.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("mode", cel.StringType),
		cel.Variable("kind", cel.StringType),
		cel.Variable("home", cel.StringType),
		cel.Variable("severity", cel.StringType),
		cel.Variable("page", cel.BoolType),
		cel.Variable("detach", cel.BoolType),
		cel.Variable("source.name", cel.StringType),
		cel.Variable("target.name", cel.StringType),
		cel.Variable("parts", cel.DynType),
		cel.Variable("source.parts", cel.DynType),
		cel.Variable("target.parts", cel.DynType),
		cel.Variable("policy.page", cel.BoolType),
		cel.Variable("policy.lag_warn_ms", cel.IntType),
		cel.Variable("policy.lag_confirm_ms", cel.IntType),
		cel.Variable("policy.objective_minutes", cel.IntType),
	)
})

var serviceEnvironment = sync.OnceValues(func() (*cel.Env, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	return env.Extend(
		cel.Variable("service.name", cel.StringType),
		cel.Variable("service.replicas", cel.IntType),
		cel.Variable("service.standby", cel.IntType),
		cel.Variable("service.writes", cel.BoolType),
		cel.Variable("service.needed", cel.BoolType),
		cel.Variable("service.health", cel.StringType),
	)
})

func variables(f Facts) map[string]any {
	p := f.Topology.Policy
	return map[string]any{
		"mode": f.Mode, "kind": string(f.kind()), "home": f.Topology.Home, "severity": f.Severity, "page": p.Page, "detach": f.Detach,
		"source.name": f.Source.Name, "target.name": f.Target.Name,
		"parts":                    f.Parts,
		"source.parts":             f.Source.Parts,
		"target.parts":             f.Target.Parts,
		"policy.page":              p.Page,
		"policy.lag_warn_ms":       int64(p.LagWarnMS),
		"policy.lag_confirm_ms":    int64(p.LagConfirmMS),
		"policy.objective_minutes": int64(p.ObjectiveMinutes),
		"service.name":             f.Service.Name,
		"service.replicas":         int64(f.Service.Replicas),
		"service.standby":          int64(f.Service.Standby),
		"service.writes":           f.Service.Writes,
		"service.needed":           f.Service.Needed || !f.Topology.saysNeeded(),
		"service.health":           f.Service.Health,
	}
}

// condition compiles a `when`, or with services true a `where`.
func condition(t text, src *strict.Document, services bool) (cel.Program, Faults) {
	get := environment
	if services {
		get = serviceEnvironment
	}
	env, err := get()
	if err != nil {
		return nil, Faults{t.at.Fault("conditions cannot be read at all: %v", err)}
	}
	ast, issues := env.Compile(t.value)
	if issues.Err() != nil {
		var out Faults
		for _, e := range issues.Errors() {
			out = append(out, inside(t, src, e.Location.Line(), e.Location.Column()).
				Fault("condition: %s", plainCondition(e.Message)))
		}
		return nil, out
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, Faults{t.at.Fault("a condition is true or false, but this one is of type %s", ast.OutputType())}
	}
	if f := strangeWords(t, src, ast); len(f) > 0 {
		return nil, f
	}
	p, err := env.Program(ast, cel.CostLimit(conditionCost))
	if err != nil {
		return nil, Faults{t.at.Fault("condition: %v", err)}
	}
	return p, nil
}

// plainCondition says in our words what the library says in its grammar's.
func plainCondition(message string) string {
	switch {
	case strings.Contains(message, "'<EOF>'"):
		return "it ends too early"
	case strings.HasPrefix(message, "undeclared reference to 'service'"):
		return `the service is only known to "where", in a step with each: services`
	}
	message, _, _ = strings.Cut(message, " expecting {")
	return strings.TrimSpace(message)
}

// strangeWords finds a mode or a kind compared with a word that is none: such a step would
// silently never run, or always.
func strangeWords(t text, src *strict.Document, ast *cel.Ast) Faults {
	var out Faults
	native := ast.NativeRep()
	words := map[string][]string{"mode": modes, "kind": kinds}
	judge := func(of, e celast.Expr) {
		if of.Kind() != celast.IdentKind || e.Kind() != celast.LiteralKind {
			return
		}
		known, ok := words[of.AsIdent()]
		if !ok {
			return
		}
		if word, ok := e.AsLiteral().Value().(string); ok && !slices.Contains(known, word) {
			at := native.SourceInfo().GetStartLocation(e.ID())
			out = append(out, inside(t, src, at.Line(), at.Column()).
				Fault("condition: unknown %s %q%s", of.AsIdent(), word, strict.DidYouMean(word, known)))
		}
	}
	celast.PostOrderVisit(native.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if e.Kind() != celast.CallKind || len(e.AsCall().Args()) != 2 {
			return
		}
		call := e.AsCall()
		a, b := call.Args()[0], call.Args()[1]
		switch call.FunctionName() {
		case operators.Equals, operators.NotEquals:
			judge(a, b)
			judge(b, a)
		case operators.In:
			if b.Kind() == celast.ListKind {
				for _, e := range b.AsList().Elements() {
					judge(a, e)
				}
			}
		}
	}))
	return out
}

// holds evaluates a condition.
func holds(p cel.Program, f Facts) (bool, error) {
	v, _, err := p.Eval(variables(f))
	if err != nil {
		return false, fmt.Errorf("evaluate the condition: %w", err)
	}
	b, ok := v.Value().(bool)
	if !ok {
		return false, fmt.Errorf("evaluate the condition: got %v instead of true or false", v)
	}
	return b, nil
}

// inside is the place of a line (from 1) and column (from 0) of a text in its
// file. Where the YAML folds lines or escapes characters the place is that of the
// text as a whole, or of the line.
func inside(t text, src *strict.Document, line, column int) place {
	at := t.at
	switch style := t.node.Style; {
	case style&yaml.LiteralStyle != 0:
		at.Line += line
		at.Column = 1
		if i := at.Line - 1; i < len(src.Lines) {
			// The indentation of a literal is that of its first line.
			first := src.Lines[min(t.at.Line, len(src.Lines)-1)]
			at.Column = len(first) - len(strings.TrimLeft(first, " ")) + column + 1
		}
	case style&yaml.FoldedStyle != 0 || line != 1:
	case style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		at.Column += column + 1
	default:
		at.Column += column
	}
	return at
}
