email:
  body: 'b: c'
  subject: s
message: |
  hello <b> & a é
  second
