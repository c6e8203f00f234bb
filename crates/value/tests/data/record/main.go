// Records what Go's fmt, time and encoding/json do, for tests/golden.rs.
// Run with Go 1.26 in this folder: go run . (writes ../fmt.jsonl, ../time.jsonl, ../json.jsonl)
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

type row map[string]any

type pair struct {
	A int
	B string
}

type nest struct {
	P pair
	L []any
	T time.Time
	D time.Duration
	N any
}

type phase string

func write(name string, rows []row) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			panic(err)
		}
	}
	if err := os.WriteFile("../"+name, out.Bytes(), 0o644); err != nil {
		panic(err)
	}
}

// text gives strings that JSON can hold as they are, others in hexadecimal.
func text(r row, key, s string) {
	if utf8.ValidString(s) {
		r[key] = s
	} else {
		r[key+"x"] = hex.EncodeToString([]byte(s))
	}
}

// typed describes a value so that the test can build it again.
func typed(v any) any {
	switch x := v.(type) {
	case nil:
		return row{"t": "nil"}
	case bool:
		return row{"t": "bool", "v": x}
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return row{"t": fmt.Sprintf("%T", x), "v": fmt.Sprint(x)}
	case float32:
		return row{"t": "float32", "v": fmt.Sprint(math.Float64bits(float64(x)))}
	case float64:
		return row{"t": "float64", "v": fmt.Sprint(math.Float64bits(x))}
	case string:
		return row{"t": "string", "v": hex.EncodeToString([]byte(x))}
	case phase:
		return row{"t": "phase", "v": hex.EncodeToString([]byte(x))}
	case []byte:
		return row{"t": "bytes", "v": hex.EncodeToString(x)}
	case time.Duration:
		return row{"t": "duration", "v": fmt.Sprint(int64(x))}
	case time.Month:
		return row{"t": "month", "v": fmt.Sprint(int64(x))}
	case time.Weekday:
		return row{"t": "weekday", "v": fmt.Sprint(int64(x))}
	case time.Time:
		return row{"t": "time", "v": fmt.Sprint(x.Unix()), "n": fmt.Sprint(x.Nanosecond()), "z": x.Location().String()}
	case []any:
		return row{"t": "list", "v": each(x)}
	case []string:
		return row{"t": "[]string", "v": each(x)}
	case []int:
		return row{"t": "[]int", "v": each(x)}
	case []float64:
		return row{"t": "[]float64", "v": each(x)}
	case map[string]any:
		return row{"t": "map", "v": entries(x)}
	case map[string]string:
		return row{"t": "map[string]string", "v": entries(x)}
	case pair:
		return row{"t": "pair", "v": []any{typed(x.A), typed(x.B)}}
	case *pair:
		return row{"t": "*pair", "v": []any{typed(x.A), typed(x.B)}}
	case nest:
		return row{"t": "nest", "v": []any{typed(x.P), typed(x.L), typed(x.T), typed(x.D), typed(x.N)}}
	case *bool:
		return row{"t": "nil *bool"}
	case map[string]int:
		return row{"t": "nil map[string]int"}
	case []bool:
		return row{"t": "nil []bool"}
	}
	panic(fmt.Sprintf("%T", v))
}

func each[T any](items []T) []any {
	out := []any{}
	for _, item := range items {
		out = append(out, typed(item))
	}
	return out
}

func entries[T any](m map[string]T) []any {
	out := []any{}
	for k, v := range m {
		out = append(out, []any{k, typed(v)})
	}
	return out
}

func sprintf(format string, args ...any) row {
	r := row{"a": each(args)}
	text(r, "f", format)
	text(r, "w", fmt.Sprintf(format, args...))
	return r
}

func fmtRows() []row {
	var rows []row
	add := func(format string, args ...any) {
		if len(fmt.Sprintf(format, args...)) < 1000 {
			rows = append(rows, sprintf(format, args...))
		}
	}
	when := time.Unix(1709247845, 123456000).UTC()
	values := []any{
		nil, true, false, 0, 7, -42, int64(math.MinInt64), int8(-5), uint8(200), uint64(math.MaxUint64), 0x4e16, 0x10ffff, 0x110000, 10, 34, 39, 0xfffd, -1,
		0.0, math.Copysign(0, -1), 1.0, -1.5, 123456.0, 1234567.0, 1e20, 1e21, 1e-4, 1e-5, 0.1, 2.5, 3.14159265358979, math.MaxFloat64, 5e-324, 100000.0, 1e6, 1e100,
		math.Inf(1), math.Inf(-1), math.NaN(), float32(0.1), float32(16777216), float32(3.4e38),
		"", "hello", "日本語 ☺", "a\"b\\c`\n\t", "bad\xff\xe4\xb8", "\u00a0\u200b\U0001f600\x7f", []byte("hi"), []byte{}, []byte("\xffz"),
		[]any{}, []any{1, "a", nil, 2.5, []byte("x"), []any{true}}, []string{"a b", "c"}, []int{1, 22, -3}, []float64{1, 2.5},
		map[string]any{"b": 1, "a": "x", "c": nil, "d": map[string]any{"z": 1.5}}, map[string]string{"k": "v", "a": ""}, map[string]any{},
		pair{1, "x"}, &pair{2, "y"}, nest{pair{3, "z"}, []any{1}, when, time.Second, nil}, phase("Open"),
		time.Duration(1500000000), time.Duration(0), time.March, time.Month(13), time.Friday, when,
		(*bool)(nil), map[string]int(nil), []bool(nil),
	}
	verbs := "vsdqxXTtboOcUeEfFgGpwz"
	flags := []string{"", "+", "-", "#", "0", " ", "8", "-8", "08", "+08", "#8", "+#", "# ", ".0", ".1", ".3", "10.2", "-10.2", "010.2", "+.3", "#.3", "+#.3", "# 020.5", "20", "-020", ".20", ".", "1.", "#+010.4", " 012"}
	pick := 0
	full := add
	add = func(format string, args ...any) { // a quarter of the products, to keep the file small
		if pick++; pick%4 == 0 {
			full(format, args...)
		}
	}
	for vi, v := range values {
		for _, verb := range verbs {
			if strings.ContainsRune("p", verb) {
				switch v.(type) {
				case []any, []string, []int, []float64, []byte, map[string]any, map[string]string, *pair, map[string]int, []bool:
					continue // an address
				}
			}
			add("%"+string(verb), v)
			for n := 0; n < 2; n++ {
				pick += 7 + vi
				add("%"+flags[pick%len(flags)]+string(verb), v)
			}
		}
		full("%v|%+v|%#v|%T|%s|%d", v, v, v, v, v, v)
	}
	for _, f := range flags {
		for _, verb := range "dxoOXbcqUv" {
			add("%"+f+string(verb), -42)
			add("%"+f+string(verb), 0)
			add("%"+f+string(verb), uint8(97))
		}
		for _, verb := range "eEfFgGvbxX" {
			for _, v := range []float64{0, 1, -1.5, 123456.789, 1e21, 1.0 / 3, 2.5e-7, 1e23} {
				add("%"+f+string(verb), v)
			}
			add("%"+f+string(verb), float32(0.3))
		}
		for _, verb := range "svqxX" {
			add("%"+f+string(verb), "héllo wörld")
			add("%"+f+string(verb), []string{"a", "b\n"})
			add("%"+f+string(verb), []byte("bytes"))
		}
	}
	add = full
	for _, f := range []string{
		"", "%", "%%", "100%", "%d %d", "%d", "%!", "%z %d", "% ", "%-", "%5", "%.", "%.5", "%5.", "%*", "%[", "%[1", "%[]d", "%[x]d", "%[0]d", "%[9]d", "%[2]d %[1]d", "%[2]*[1]d",
		"%[1]d %d %d", "%[3]*.[2]*[1]f", "%[3]*.[2]d", "%[1]*d", "%[1]2d", "%[2].2d", "%.[2]d", "%.[2]*[1]d", "%*d", "%-*d", "%.*d", "%*.*f", "%1000001d", "%.1000001d", "%99999999999999999999d x",
		"%é", "%\xff", "%☺d", "%s %v %d%%", "%d\n%s", "%08.3d|%x", "%+d % d", "%6%|%-6%", "%[1]v %[1]T %[1]q", "%[2]%d", "%v %[5]v %v", "%[1]*.3f", "%0*d", "%+-5d|", "%-05d|", "%-+5d|",
	} {
		add(f)
		add(f, 1)
		add(f, 5, 3)
		add(f, -5, 3, 2)
		add(f, "s", 2.5, nil)
		add(f, 3.0, 1000001, -2)
		add(f, int64(6), uint8(4), "x", true)
	}
	print := func(kind string, args ...any) {
		r := row{"k": kind, "a": each(args)}
		if kind == "print" {
			text(r, "w", fmt.Sprint(args...))
		} else {
			text(r, "w", fmt.Sprintln(args...))
		}
		rows = append(rows, r)
	}
	for _, kind := range []string{"print", "println"} {
		print(kind)
		print(kind, 1, 2, "a", "b", 3, nil, nil, 2.5, "c", []any{1}, []any{2})
		print(kind, "a", 1, 2, phase("p"), phase("q"), 3, true, false)
		print(kind, time.Second, time.Minute, pair{1, "b"}, &pair{2, "c"})
	}
	return rows
}

func timeRows() []row {
	var rows []row
	berlin, _ := time.LoadLocation("Europe/Berlin")
	york, _ := time.LoadLocation("America/New_York")
	kolkata, _ := time.LoadLocation("Asia/Kolkata")
	fixed := time.FixedZone("", -(5*3600 + 30*60 + 15))
	zones := []*time.Location{time.UTC, berlin, york, kolkata, fixed, time.FixedZone("XYZ", 3600)}
	layouts := []string{
		time.Layout, time.ANSIC, time.UnixDate, time.RubyDate, time.RFC822, time.RFC822Z, time.RFC850, time.RFC1123, time.RFC1123Z, time.RFC3339, time.RFC3339Nano,
		time.Kitchen, time.Stamp, time.StampMilli, time.StampMicro, time.StampNano, time.DateTime, time.DateOnly, time.TimeOnly,
		"2006-01-02 15:04:05.999999999 -0700 MST", "Monday January _2 2006 __2 002", "06/1/2 3:4:5 pm PM", "Januaryx Janx Jan. Mondays Monx Mon", "15h04 05,000 .99 ,999999", "_2006 2 22006",
		"Z0700 Z07 Z070000 Z07:00:00 -07 -070000 -07:00:00 -07:00", ".000000000000", ".00x .001 .990", "MSTx 1520 0102", "Day 002 of 2006", "2006年01月02日", "", "literal only", "01/02/03/04/05/06/07", "5.00 05.9",
	}
	instants := []time.Time{
		time.Unix(0, 0), time.Unix(1709247845, 123456789), time.Unix(-1, 999000000), time.Unix(1711846800, 0), time.Unix(1711846799, 0), time.Unix(1729990800, 500), time.Unix(-62135596800, 0),
		time.Unix(253402300800, 0), time.Unix(-99999999999, 1), time.Unix(1e11, 0), time.Unix(1230768000, 0), time.Unix(1293839999, 0), time.Unix(-3000000000, 0),
	}
	for zi, z := range zones {
		for ti, t := range instants {
			t = t.In(z)
			y, w := t.ISOWeek()
			base := row{"k": "format", "s": t.Unix(), "n": t.Nanosecond(), "z": z.String()}
			if zi == 4 {
				base["z"] = "fixed"
			}
			add := func(extra row) {
				r := row{}
				for k, v := range base {
					r[k] = v
				}
				for k, v := range extra {
					r[k] = v
				}
				rows = append(rows, r)
			}
			add(row{"k": "parts", "string": t.String(), "go": t.GoString(), "weekday": int(t.Weekday()), "yday": t.YearDay(), "iso": []int{y, w}})
			for li, layout := range layouts {
				if (li+ti)%3 == zi%3 || ti < 2 && zi == 0 {
					add(row{"layout": layout, "w": t.Format(layout)})
				}
			}
			for _, d := range []time.Duration{1, 7, 1000, time.Second, 90 * time.Minute, 24 * time.Hour, 7 * 24 * time.Hour, 0, -5} {
				if zi == 0 {
					add(row{"k": "round", "d": int64(d), "t": t.Truncate(d).Format(time.RFC3339Nano), "r": t.Round(d).Format(time.RFC3339Nano)})
				}
			}
			for _, d := range [][3]int{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {-1, 13, -40}, {0, -1, 31}} {
				add(row{"k": "adddate", "d": d, "w": t.AddDate(d[0], d[1], d[2]).String()})
			}
		}
	}
	parse := func(layout, value string, loc, local *time.Location, ln, on string) {
		var t time.Time
		var err error
		if local == nil {
			time.Local = time.UTC
			t, err = time.Parse(layout, value)
		} else {
			t, err = time.ParseInLocation(layout, value, loc)
		}
		r := row{"k": "parse", "layout": layout, "loc": ln, "local": on}
		text(r, "text", value)
		if err != nil {
			r["err"] = err.Error()
		} else {
			r["w"] = t.Format("2006-01-02T15:04:05.999999999 -07:00:00 MST") + " " + t.Location().String()
		}
		rows = append(rows, r)
	}
	cases := [][2]string{
		{time.RFC3339, "2024-02-29T23:04:05Z"}, {time.RFC3339, "2024-02-29T23:04:05.123456789123+01:00"}, {time.RFC3339, "2024-02-30T23:04:05Z"}, {time.RFC3339, "2023-02-29T23:04:05Z"},
		{time.RFC3339, "2024-13-01T00:00:00Z"}, {time.RFC3339, "2024-00-01T00:00:00Z"}, {time.RFC3339, "2024-01-01T24:00:00Z"}, {time.RFC3339, "2024-01-01T00:60:00Z"}, {time.RFC3339, "2024-01-01T00:00:60Z"},
		{time.RFC3339, "2024-01-01 00:00:00Z"}, {time.RFC3339, "2024-01-01T00:00:00"}, {time.RFC3339, "2024-01-01T00:00:00z"}, {time.RFC3339, "2024-01-01T00:00:00+25:00"}, {time.RFC3339, "2024-01-01T00:00:00+24:61"},
		{time.RFC3339, "2024-01-01T00:00:00+24:60"}, {time.RFC3339, "2024-01-01T00:00:00*01:00"}, {time.RFC3339, "2024-01-01T00:00:00Zx"}, {time.RFC3339, ""}, {time.RFC3339, "abc"}, {time.RFC3339, "24-01-01T00:00:00Z"},
		{time.RFC3339, "2024-1-1T0:0:0Z"}, {time.RFC3339, "2024-01-01T1:00:00Z"}, {time.RFC3339, "2024-01-01T00:00:00,5Z"}, {time.RFC3339, "2024-01-01T00:00:00.Z"}, {time.RFC3339, "2024-07-01T00:00:00+02:00"}, {time.RFC3339, "2024-07-01T00:00:00+00:00"},
		{time.RFC3339Nano, "2024-01-01T00:00:00.5Z"}, {time.RFC3339Nano, "2024-01-01T00:00:00Z"}, {time.RFC3339, "x\"\\\n\u00e9"}, {time.RFC3339, "2024-01-01T00:00:00-00:00"}, {time.RFC3339, "20x4-01-01T00:00:00Z"},
		{time.ANSIC, "Thu Feb  4 21:00:57 2010"}, {time.ANSIC, "Thu Feb 14 21:00:57 2010"}, {time.ANSIC, "thu feb 4 21:00:57 2010"}, {time.ANSIC, "Xxx Feb  4 21:00:57 2010"}, {time.ANSIC, "Thu Fxb  4 21:00:57 2010"},
		{time.UnixDate, "Thu Feb  4 21:00:57 PST 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 CET 2010"}, {time.UnixDate, "Thu Jul  4 21:00:57 CEST 2010"}, {time.UnixDate, "Thu Jul  4 21:00:57 CET 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 UTC 2010"},
		{time.UnixDate, "Thu Feb  4 21:00:57 GMT+3 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 GMT-12 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 GMT 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 GMT+99 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 ABCDE 2010"},
		{time.UnixDate, "Thu Feb  4 21:00:57 ABCDT 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 AB 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 ChST 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 WITA 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 +03 2010"}, {time.UnixDate, "Thu Feb  4 21:00:57 abc 2010"},
		{time.RubyDate, "Thu Feb 04 21:00:57 -0800 2010"}, {time.RFC850, "Thursday, 04-Feb-10 21:00:57 PST"}, {time.RFC850, "Thursday, 04-Feb-70 21:00:57 PST"}, {time.RFC1123, "Thu, 04 Feb 2010 21:00:57 PST"}, {time.RFC1123Z, "Thu, 04 Feb 2010 21:00:57 -0800"},
		{time.RFC822, "04 Feb 10 21:00 PST"}, {time.RFC822Z, "04 Feb 10 21:00 +0530"}, {time.RFC822Z, "04 Feb 10 21:00 0530"}, {time.RFC822Z, "04 Feb 10 21:00 +05x0"},
		{time.Kitchen, "3:04PM"}, {time.Kitchen, "12:04AM"}, {time.Kitchen, "12:04PM"}, {time.Kitchen, "13:04PM"}, {time.Kitchen, "3:04pm"}, {time.Kitchen, "3:4PM"}, {time.Kitchen, "0:04PM"}, {"3:04pm", "11:59pm"}, {"3:04pm", "11:59p"},
		{time.DateOnly, "2024-02-29"}, {time.DateOnly, "2024-2-29"}, {time.DateOnly, "2024-02-29x"}, {time.DateOnly, " 2024-02-29"}, {time.DateOnly, "2024-02-00"}, {time.DateOnly, "2024-04-31"}, {time.DateTime, "2024-02-29 01:02:03"}, {time.DateTime, "2024-02-29   01:02:03"}, {time.TimeOnly, "01:02:03.5"},
		{"2006 002", "2024 060"}, {"2006 002", "2024 366"}, {"2006 002", "2023 366"}, {"2006 002", "2023 000"}, {"2006 __2", "2023   9"}, {"2006 __2", "2023 9"}, {"2006-01 002", "2023-02 060"}, {"2006-02 002", "2023-02 033"}, {"2006-02 002", "2023-03 033"}, {"2006 002", "2023 60"},
		{"Jan _2", "Feb  3"}, {"Jan _2", "Feb 13"}, {"January 2", "feBRUARY 3"}, {"Monday", "tuesday"}, {"Monday", "tue"}, {"06", "68"}, {"06", "69"}, {"06", "-5"}, {"06", "x5"}, {"2006", "+200"}, {"2006", "-200"},
		{"15:04:05.000", "01:02:03.456"}, {"15:04:05.000", "01:02:03.45"}, {"15:04:05.000", "01:02:03.4567"}, {"15:04:05.000", "01:02:03"}, {"15:04:05.999", "01:02:03.4567"}, {"15:04:05.999", "01:02:03"}, {"15:04:05,000", "01:02:03.456"}, {"15:04:05.000", "01:02:03.-12"}, {"05.00 s", "07.12 s"},
		{"-07", "+05"}, {"-07", "+0530"}, {"-070000", "+053015"}, {"-07:00:00", "+05:30:15"}, {"-07:00:00", "+05:30"}, {"Z07:00:00", "Z"}, {"Z0700", "+0100"}, {"Z07", "-11"}, {"-07:00", "+0530"}, {"-0700", "Z"}, {"MST", "UTCx"}, {"MST -0700", "CET +0100"}, {"MST -0700", "FOO +0100"},
		{"2006-01-02 15:04", "2024-03-31 02:30"}, {"2006-01-02 15:04", "2024-10-27 02:30"}, {"2006-01-02 15:04", "1900-01-01 00:00"}, {"x", "x"}, {"x", "y"}, {"x y", "x   y"}, {"x  y", "x y"}, {"x y", "xy"}, {"", ""}, {"", "z"}, {"2006年", "2024年"}, {"2006年", "2024月"},
	}
	for _, c := range cases {
		parse(c[0], c[1], time.UTC, nil, "UTC", "UTC")
		parse(c[0], c[1], berlin, berlin, "Europe/Berlin", "Europe/Berlin")
		if strings.Contains(c[0], "MST") || strings.Contains(c[0], "2006-01-02 15") {
			parse(c[0], c[1], york, york, "America/New_York", "America/New_York")
		}
	}
	for _, d := range []time.Duration{0, 1, 999, 1000, 1100, 999999, 1000000, 2200000, 999999999, time.Second, 3300 * time.Millisecond, time.Minute, 245 * time.Second, time.Hour, 100*time.Hour + 1, -time.Second, -1, math.MaxInt64, math.MinInt64} {
		rows = append(rows, row{"k": "duration", "d": fmt.Sprint(int64(d)), "w": d.String()})
	}
	for _, s := range []string{"0", "5s", "30s", "1478s", "-5s", "+5s", "-0", "+0", "5.0s", "5.6s", "5.s", ".5s", "1.0s", "1.004s", "10ns", "11us", "12µs", "12μs", "13ms", "3h30m", "1h2m3s4ms5us6ns", "39h9m14.425s", "52763797000ns", "0.3333333333333333333h", "9007199254740993ns", "9223372036854775807ns", "9223372036854775.807us", "-9223372036854775808ns", "0.100000000000000000000h", "0.830103483285477580700h", "", "3", "-", "s", ".", "-.", ".s", "+.s", "1d", "9223372036854775810ns", "9223372036854775808ns", "-9223372036854775809ns", "3000000h", "1h-2m", "1 h", "1\"x", "é5s", "5é", "99999999999999999999s", "1.5.5s"} {
		d, err := time.ParseDuration(s)
		r := row{"k": "parseduration", "text": s}
		if err != nil {
			r["err"] = err.Error()
		} else {
			r["w"] = fmt.Sprint(int64(d))
		}
		rows = append(rows, r)
	}
	return rows
}

func jsonRows() []row {
	var rows []row
	for _, s := range []string{
		"", " ", "null", "true", "false", "nul", "nulx", "truex", "fals", "tru e", "1", "-1", "-", "-x", "01", "1.", "1.x", "1.5", "1e", "1e+", "1ex", "1e3", "1E-2", "-0", "-0.0", "1e400", "123456789012345678901", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "0.1", "1.0",
		"\"\"", "\"a\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12x4\"", "\"\\u00e9\\n\\t\\\"\\/\\b\\f\\r\\\\\"", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\\ud83dx\"", "\"\\ude00\\ud83d\"", "\"\\ud83d\\ud83d\\ude00\"", "\"\\ud83d\\n\"", "\"a\nb\"", "\"a\x01b\"", "\"\x7f\"", "\"\xff\xe4\xb8z\"", "\"é☺\"",
		"[]", "[1]", "[1,2]", "[1,]", "[,]", "[1", "[", "[1 2]", "[1}", "]", "[[],[[]]]", "{}", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1}", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{\"b\":1,\"a\":[{\"c\":null}]}", "{\"a\" 1}", "{a:1}", "{1:1}", "{\"a\":1]", "{\"a\":1 \"b\":2}", "{,}", "{\"a\":}", "'a'", "\xe4", "\"", "1 2", "1x", "{}{}", "[] ]", "\ufeff{}", "<html>", "{\"a\":\"\xff\"}", "  { \"a\" : [ 1 , 2 ] , \"b\" : { } }  ", "\t\r\n[ ]\n", "\v[]", "NaN", "+1", ".5", "[tru]", "[\"a\",nulL]",
	} {
		r := row{"k": "parse"}
		text(r, "text", s)
		var v any
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			r["err"] = err.Error()
		} else {
			r["w"] = typed(v)
		}
		rows = append(rows, r)
	}
	when := time.Unix(1709247845, 120000000)
	berlin, _ := time.LoadLocation("Europe/Berlin")
	for _, v := range []any{
		nil, true, 1, -5, uint64(math.MaxUint64), 0.0, math.Copysign(0, -1), 1.0, 1e20, 1e21, 123456789.0, 1e-6, 1e-7, 1.5e-9, 1e-10, 1e-100, 0.1, math.MaxFloat64, 5e-324, float32(0.1), float32(1e21), float32(1e-7), math.NaN(), math.Inf(1), math.Inf(-1),
		"", "a<b>&c", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é☺\u2028\u2029\ufffd", "\xff\xe4\xb8z", []byte("hello"), []byte{}, []any{}, []any{1, nil, "x"}, []string{"a"}, map[string]any{}, map[string]any{"b": 1, "a": []any{map[string]any{"<": ">"}}, "é": 2.5, "Z": []any{}, "m": map[string]any{}},
		map[string]string{"k": "v"}, pair{1, "x"}, &pair{2, "y"}, phase("p"), time.Duration(5), time.March, time.Friday, when.UTC(), when.In(berlin), time.Unix(-99999999999, 0).UTC(), (*bool)(nil), map[string]int(nil), []bool(nil),
	} {
		r := row{"k": "marshal", "a": typed(v)}
		b, err := json.Marshal(v)
		if err != nil {
			r["err"] = err.Error()
		} else {
			text(r, "w", string(b))
			indented, _ := json.MarshalIndent(v, "", "  ")
			text(r, "i", string(indented))
			var raw bytes.Buffer
			enc := json.NewEncoder(&raw)
			enc.SetEscapeHTML(false)
			_ = enc.Encode(v)
			text(r, "raw", strings.TrimSuffix(raw.String(), "\n"))
		}
		rows = append(rows, r)
	}
	return rows
}

func main() {
	time.Local = time.UTC
	write("fmt.jsonl", fmtRows())
	write("time.jsonl", timeRows())
	write("json.jsonl", jsonRows())
}
