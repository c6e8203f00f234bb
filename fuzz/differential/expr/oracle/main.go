// expr-oracle answers what github.com/expr-lang/expr makes of an expression.
// stdin: JSON lines {expr, env}; stdout: one JSON line for each, {result} or {error}. A case that does not always come
// out the same is run several times and marked: "unordered" (only the order of arrays differs) or "volatile".
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sort"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
)

// Go gives a map of two keys the same order seven times of eight: where an order may show, many runs are needed.
const (
	repeats        = 4
	orderedRepeats = 64
)

var showsOrder = regexp.MustCompile(`keys|values|toPairs|groupBy`)

type question struct {
	Expr string          `json:"expr"`
	Env  json.RawMessage `json:"env"`
}

type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
}

type answer struct {
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *failure        `json:"error,omitempty"`
	Unordered bool            `json:"unordered,omitempty"`
	Volatile  bool            `json:"volatile,omitempty"`
}

func fail(kind string, err error) *failure {
	f := &failure{Kind: kind, Message: err.Error()}
	var at *file.Error
	if errors.As(err, &at) {
		f.Message = at.Message
		if at.Snippet != "" {
			f.Line, f.Column = at.Line, at.Column+1
		}
	}
	return f
}

func evaluate(q question) (json.RawMessage, *failure) {
	env, err := decode(q.Env, false)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bad environment:", err)
		os.Exit(2)
	}
	program, err := expr.Compile(q.Expr)
	if err != nil {
		return nil, fail("compile", err)
	}
	out, err := expr.Run(program, env)
	if err != nil {
		return nil, fail("runtime", err)
	}
	return marshal(encode(out)), nil
}

func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// canon sorts arrays at every level, to tell "another order" from "another value".
func canon(raw []byte) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	_ = d.Decode(&v)
	return string(marshal(sorted(v)))
}

func sorted(v any) any {
	switch x := v.(type) {
	case []any:
		items := make([]string, len(x))
		for i := range x {
			items[i] = string(marshal(sorted(x[i])))
		}
		sort.Strings(items)
		return items
	case map[string]any:
		for k := range x {
			x[k] = sorted(x[k])
		}
	}
	return v
}

func ask(q question) answer {
	result, failed := evaluate(q)
	a := answer{Result: result, Error: failed}
	if failed != nil && failed.Kind == "compile" {
		return a
	}
	times := repeats
	if showsOrder.MatchString(q.Expr) {
		times = orderedRepeats
	}
	for range times {
		again, f := evaluate(q)
		switch {
		case (f == nil) != (failed == nil) || f != nil && f.Kind != failed.Kind:
			a.Volatile = true
		case !bytes.Equal(again, result) && canon(again) == canon(result):
			a.Unordered = true
		case !bytes.Equal(again, result):
			a.Volatile = true
		}
	}
	return a
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 64<<20)
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, "bad line:", err)
			os.Exit(2)
		}
		w.Write(marshal(ask(q)))
		w.WriteByte('\n')
	}
}
