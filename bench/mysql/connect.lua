-- For sysbench: one connection with one select, over and over. sysbench 1.0's own scripts keep theirs.

function thread_init()
   driver = sysbench.sql.driver()
end

function event()
   local connection = driver:connect()
   connection:query("SELECT c FROM sbtest1 WHERE id = 1")
   connection:disconnect()
end
