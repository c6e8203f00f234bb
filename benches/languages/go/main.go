// Measures the cases with Go's own engines. It answers one question a line on stdin, "check|time condition|template
// NAME MILLISECONDS": what the case gives as JSON, or the nanoseconds of one run.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"github.com/expr-lang/expr"
)

// batch is how often a case runs between two looks at the clock.
const batch = 64

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

// numbers turns JSON numbers into int64 and float64, as Kubernetes' unstructured objects have them.
func numbers(value any) any {
	switch x := value.(type) {
	case json.Number:
		if i, err := x.Int64(); err == nil {
			return i
		}
		return must(x.Float64())
	case []any:
		for i := range x {
			x[i] = numbers(x[i])
		}
	case map[string]any:
		for key := range x {
			x[key] = numbers(x[key])
		}
	}
	return value
}

func environment(folder string) map[string]any {
	decoder := json.NewDecoder(bytes.NewReader(must(os.ReadFile(filepath.Join(folder, "environment.json")))))
	decoder.UseNumber()
	var env map[string]any
	must(0, decoder.Decode(&env))
	env = numbers(env).(map[string]any)
	texts := map[string]string{}
	for key, value := range env["context"].(map[string]any) {
		texts[key] = value.(string)
	}
	env["context"] = texts
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	env["time"] = map[string]any{
		"Now":   func() time.Time { return now },
		"Parse": func(text string) time.Time { return must(time.Parse(time.RFC3339, text)) },
	}
	return env
}

// runner answers a function that runs the case once.
func runner(folder, kind, name string, env map[string]any) func() any {
	if kind == "condition" {
		text := string(must(os.ReadFile(filepath.Join(folder, "conditions", name+".expr"))))
		program := must(expr.Compile(text))
		return func() any { return must(expr.Run(program, env)) }
	}
	text := string(must(os.ReadFile(filepath.Join(folder, "templates", name+".tmpl"))))
	parsed := must(template.New(name).Funcs(sprig.TxtFuncMap()).Parse(text))
	return func() any {
		var out bytes.Buffer
		must(0, parsed.Execute(&out, env))
		return out.String()
	}
}

// computed is how long this process has been computing, garbage collection included.
func computed() time.Duration {
	var usage syscall.Rusage
	must(0, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func measure(run func() any, length time.Duration) float64 {
	runs := 0
	start := computed()
	for computed()-start < length {
		for range batch {
			run()
		}
		runs += batch
	}
	return float64((computed() - start).Nanoseconds()) / float64(runs)
}

func main() {
	folder := os.Args[1]
	env := environment(folder)
	runners := map[string]func() any{}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		key := words[1] + " " + words[2]
		if runners[key] == nil {
			runners[key] = runner(folder, words[1], words[2], env)
		}
		if words[0] == "check" {
			fmt.Println(string(must(json.Marshal(runners[key]()))))
			continue
		}
		length := must(time.ParseDuration(words[3] + "ms"))
		fmt.Println(measure(runners[key], length))
	}
}
